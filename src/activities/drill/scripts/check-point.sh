# Opens the repository, finds a recovery point's two snapshots and reads all of their data, so that each part is compared with
# its hash. Environment: FILES, DATABASE (restic's ids, or ''). Secret: key. Result, as the last line of its log:
#   {files: {found, host, bytes}, database: {found, host, bytes}, damage: [words], packs, objects}
# `bytes` is what a snapshot holds; `objects` the point's Kubernetes objects, encrypted with the key, or ''.
ids=()
for id in "$FILES" "$DATABASE"; do if [ -n "$id" ]; then ids+=("$id"); fi; done

# All of them, of any host: one that is not there would be an error in words alone, and one of another host is another site's. Nothing
# is written, so no lock is needed.
RESTIC_HOST='' restic_run snapshots --no-lock --json > "$work/snapshots"
found=()
for id in "${ids[@]}"; do
  if jq -e --arg id "$id" 'any(.[]; .id == $id)' "$work/snapshots" > /dev/null; then found+=("$id"); fi
done
snapshot() {
  jq -c --arg id "$1" '[.[] | select(.id == $id)][0] | {found: (. != null), host: (.hostname // ""),
    bytes: (.summary.total_bytes_processed // null)}' "$work/snapshots"
}

# `check` locks everybody else out, and a drill must not hold up a backup: it goes without its lock. A prune at the same time can
# make it see damage that there is not, so what it sees is looked at again under the lock that readers share.
damage='[]'
packs=0
if [ "${#found[@]}" -gt 0 ]; then
  status=0
  restic_try check --no-lock --read-data --json "${found[@]}" > "$work/check" || status=$?
  packs=$(jq -Rs '[split("\n")[] | fromjson? | select(.message_type == "summary") | .broken_packs // [] | length] | add // 0' "$work/check")
  if [ "$status" -ne 0 ]; then
    : > "$work/damage"
    for id in "${found[@]}"; do
      status=0
      read_all() { restic --retry-lock "${RETRY_LOCK:-5m}" dump --archive tar "$1" / 2> "$work/restic.err" > /dev/null; }
      run read_all "$id" || status=$?
      [ "$status" -ne 0 ] || continue
      case "$(restic_failure "$status")" in
        RestoreDiffers | JobFailed)
          # Who was killed says nothing, and has seen neither damage nor that there is none.
          words=$(restic_words)
          if [ -z "$words" ]; then restic_failed "$status"; fi
          printf '%s\n' "$words" >> "$work/damage"
          ;;
        *) restic_failed "$status" ;;
      esac
    done
    damage=$(cut -c1-500 "$work/damage" | jq -Rc 'select(. != "")' | jq -sc .)
  fi
fi

objects=''
if [ "$damage" = '[]' ] && restic_try dump --no-lock "$FILES" /presslift/point/objects.json > "$work/objects.json"; then
  objects=$(encrypt < "$work/objects.json")
fi
jq -cn --argjson files "$(snapshot "$FILES")" --argjson database "$(snapshot "$DATABASE")" --argjson damage "$damage" \
  --argjson packs "$packs" --arg objects "$objects" '{$files, $database, $damage, $packs, $objects}'
