# Compares folders of a files snapshot's manifest with the live ones. Environment: SNAPSHOT (restic's id), MANIFEST_DIGEST (of
# the catalogue). Input: trees.json [{folder, point, live}]: the folder's name, its path in the manifest with a slash at the
# end, and where it is mounted. Result: {"trees": [TreeComparison]} of src/domain/planners/rollback-facts.ts.
trees=/presslift/input/trees.json
list_length=8

manifest=$work/files.tsv
restic_run dump "$SNAPSHOT" /presslift/point/files.tsv > "$manifest"
if [ "$(manifest_digest "$manifest")" != "$MANIFEST_DIGEST" ]; then
  fail CatalogueTampered "The list of files in the repository is not the one of the recovery point"
fi

few() { head -n "$list_length" "$1" | cut -c1-110 | jq -Rc . | jq -sc --argjson count "$(wc -l < "$1")" '{$count, first: .}'; }
# The digest that the agent computes in a pod: over the sorted lines `<sha256>  <path>` of regular files.
tree_digest() {
  awk -F'\t' '$1 !~ /^(folder$|link:)/ { print $1 "  " $5 }' "$1" | sort | sha256sum | cut -c1-64
}
summary() {
  jq -cn --arg digest "sha256:$(tree_digest "$1")" --argjson files "$(manifest_files "$1")" \
    --argjson bytes "$(manifest_bytes "$1")" '{$files, $bytes, $digest}'
}

result='[]'
count=$(jq length "$trees")
for ((at = 0; at < count; at++)); do
  folder=$(jq -r ".[$at].folder" "$trees")
  point=$(jq -r ".[$at].point" "$trees")
  live=$(jq -r ".[$at].live" "$trees")
  PREFIX=$point awk -F'\t' -v OFS='\t' 'index($5, ENVIRON["PREFIX"]) == 1 {
    $5 = substr($5, length(ENVIRON["PREFIX"]) + 1); print }' "$manifest" | sort -t$'\t' -k5 > "$work/then"
  : > "$work/now"
  now=null
  if [ -d "$live" ]; then
    file_manifest_begin
    { file_manifest_add "$live" '' && file_manifest_end "$work/now"; } || fail Unavailable "Files changed while they were compared"
    now=$(summary "$work/now")
  fi
  join -t$'\t' -1 5 -2 5 -a 1 -a 2 -e - -o 0,1.1,1.2,1.3,1.4,2.1,2.2,2.3,2.4 "$work/then" "$work/now" > "$work/joined"
  for list in missing changed extra permissions; do : > "$work/$list"; done
  awk -F'\t' -v folder="$work" '
    $6 == "-" { print $1 > (folder "/missing"); next }
    $2 == "-" { print $1 > (folder "/extra"); next }
    $2 != $6 || $5 != $9 { print $1 > (folder "/changed"); next }
    ($3 != $7 && $2 !~ /^link:/) || $4 != $8 { print $1 > (folder "/permissions") }
  ' "$work/joined"
  result=$(jq -c --arg folder "$folder" --argjson point "$(summary "$work/then")" --argjson live "$now" \
    --argjson missing "$(few "$work/missing")" --argjson changed "$(few "$work/changed")" \
    --argjson extra "$(few "$work/extra")" --argjson permissions "$(wc -l < "$work/permissions")" \
    '. + [{$folder, $point, $live, $missing, $changed, $extra, $permissions}]' <<< "$result")
done
say "$(jq -c '{trees: .}' <<< "$result")"
