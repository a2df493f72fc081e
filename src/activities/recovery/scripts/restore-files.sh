# Restores folders of a files snapshot into claims, then compares every entry of the restored trees with the manifest that
# the snapshot carries. Result: FilesComparison of restore.ts. Environment: SNAPSHOT (restic's id), MANIFEST_DIGEST (of the
# catalogue), OWNED (yes: give files their owners). Input: targets.json [{claim, destination, include: [folder], root: null or
# {mode, owner}}], each destination below a mounted claim; unsettled: paths of the manifest that are not compared, one a line.
targets=/presslift/input/targets.json
list_length=20

# Progress of all targets together, as people read it, about every two seconds.
report() {
  local line
  while sleep 2; do
    line=$(tail -n 1 "$work/restore.log" 2> /dev/null) || continue
    jq -Rc 'fromjson? | select(.message_type == "status") | {progress: {
      files: .files_restored, totalFiles: .total_files, bytes: .bytes_restored, totalBytes: .total_bytes,
      secondsRemaining: (if (.bytes_restored // 0) > 0 and .seconds_elapsed > 0
        then ((.total_bytes - .bytes_restored) * .seconds_elapsed / .bytes_restored | ceil) else null end)}}' <<< "$line" || true
  done
}

# restored SOURCE DESTINATION OPTIONS...: what cannot be written or read is noted, the comparison shows what it means.
restored() {
  local source=$1 destination=$2 status=0
  shift 2
  restic_try restore "$SNAPSHOT:$source" --target "$destination" --json \
    --exclude-xattr 'security.*' --exclude-xattr 'trusted.*' "$@" > "$work/restore.log" || status=$?
  [ "$status" -ne 0 ] || return 0
  case "$(restic_failure "$status")" in
    RestoreDiffers | JobFailed)
      if ! grep -q '"message_type":"summary"' "$work/restore.log" && ! grep -qi 'error' "$work/restic.err"; then restic_failed "$status"; fi
      restic_words >> "$work/errors"
      ;;
    *) restic_failed "$status" ;;
  esac
}

# The folder itself is no entry of what is restored into it. A share that knows no owners keeps its own.
as_root() {
  chown -- "$(jq -r .owner <<< "$1")" "$2" 2> /dev/null || true
  chmod -- "$(jq -r .mode <<< "$1")" "$2" 2> /dev/null || true
}

# The snapshot's own manifest is read beside the restore, with words of its own: opening the repository takes a second, and the
# restore leaves time for it. Without a lock, because nobody would remove it at a sudden end.
mkdir "$work/manifest"
: > "$work/manifest/restic.err"
(
  work=$work/manifest
  status=0
  restic_try dump --no-lock "$SNAPSHOT" /presslift/point/files.tsv > "$work/output" || status=$?
  echo "$status" > "$work/status"
) &
reading=$!

: > "$work/errors"
report &
reporter=$!
count=$(jq length "$targets")
for ((at = 0; at < count; at++)); do
  claim=$(jq -r ".[$at].claim" "$targets")
  destination=$(jq -r ".[$at].destination" "$targets")
  (umask 022 && mkdir -p "$destination")
  options=()
  while IFS= read -r -d '' folder; do
    options+=(--include "/$(literal "$folder")")
  done < <(jq -j ".[$at].include[] | (., \"\\u0000\")" "$targets")
  restored "/presslift/volumes/$claim" "$destination" "${options[@]}"
  root=$(jq -c ".[$at].root" "$targets")
  if [ ${#options[@]} -eq 0 ] && [ "$root" != null ]; then as_root "$root" "$destination"; fi
done
wait "$reading" || true
kill "$reporter" 2> /dev/null || true

# That it is the one of the catalogue is known by its digest.
manifest=$work/manifest/output
intact=false
if [ "$(cat "$work/manifest/status" 2> /dev/null)" = 0 ]; then
  if [ "$(manifest_digest "$manifest")" = "$MANIFEST_DIGEST" ]; then intact=true; fi
else
  work=$work/manifest restic_words >> "$work/errors"
  : > "$manifest"
fi

: > "$work/expected.tsv"
file_manifest_begin
add_found() { run file_manifest_add "$@" || fail JobFailed "Restored files cannot be read"; }
select_below() { PREFIX=$1 awk -F'\t' 'index($5, ENVIRON["PREFIX"]) == 1' "$manifest" >> "$work/expected.tsv"; }
for ((at = 0; at < count; at++)); do
  claim=$(jq -r ".[$at].claim" "$targets")
  destination=$(jq -r ".[$at].destination" "$targets")
  if [ "$(jq ".[$at].include | length" "$targets")" -eq 0 ]; then
    select_below "$claim/"
    # A new file system has this folder of its own.
    add_found "$destination" "$claim/" lost+found
    continue
  fi
  while IFS= read -r -d '' folder; do
    select_below "$claim/$folder/"
    if [ -d "$destination/$folder" ]; then add_found "$destination/$folder" "$claim/$folder/"; fi
  done < <(jq -j ".[$at].include[] | (., \"\\u0000\")" "$targets")
done
run file_manifest_end "$work/found.tsv" || fail JobFailed "Restored files cannot be read"
grep -v -P '\tlost\+found$' "$work/expected.tsv" > "$work/expected" || true
# Files that changed while they were copied are restored as they are; nobody knows what they should be.
settled() {
  awk -F'\t' 'FILENAME == list { skip[$0]; next } !($5 in skip)' list=/presslift/input/unsettled /presslift/input/unsettled "$1" > "$1.settled"
  mv "$1.settled" "$1"
}
settled "$work/expected"
settled "$work/found.tsv"
file_manifest_sort "$work/expected"

# Path, then hash, mode, owner and size of both sides; `-` where one side has no such entry.
join -t$'\t' -1 5 -2 5 -a 1 -a 2 -e - -o 0,1.1,1.2,1.3,1.4,2.1,2.2,2.3,2.4 "$work/expected" "$work/found.tsv" > "$work/joined"
: > "$work/missing"; : > "$work/changed"; : > "$work/extra"; : > "$work/permissions"
awk -F'\t' -v owned="$OWNED" -v folder="$work" '
  $6 == "-" { print $1 > (folder "/missing"); next }
  $2 == "-" { print $1 > (folder "/extra"); next }
  $2 != $6 || $5 != $9 { print $1 > (folder "/changed"); next }
  ($3 != $7 && $2 !~ /^link:/) || (owned == "yes" && $4 != $8) { print $1 " (" $7 " " $8 " instead of " $3 " " $4 ")" > (folder "/permissions") }
' "$work/joined"

few() { head -n "$list_length" "$work/$1" | cut -c1-300 | jq -Rc . | jq -sc .; }
number() { wc -l < "$work/$1" | tr -d ' '; }
say "$(jq -cn --argjson files "$(manifest_files "$work/found.tsv")" --argjson bytes "$(manifest_bytes "$work/found.tsv")" \
  --argjson expected "$(manifest_files "$work/expected")" --argjson intact "$intact" \
  --argjson missing "$(few missing)" --argjson changed "$(few changed)" --argjson extra "$(few extra)" \
  --argjson permissions "$(few permissions)" --argjson errors "$(few errors)" \
  --argjson m "$(number missing)" --argjson c "$(number changed)" --argjson e "$(number extra)" --argjson p "$(number permissions)" \
  '{$files, $bytes, $expected, $missing, $changed, $extra, $permissions,
    counts: {missing: $m, changed: $c, extra: $e, permissions: $p}, manifestIntact: $intact, $errors}')"
