# Reads every byte of a recovery point's snapshots; restic compares each part with its hash. Nobody is locked out meanwhile.
# Environment: FILES, DATABASE (restic's ids, or ''), MANIFEST_DIGEST. Result, for each part that the point has:
#   {files: {words, manifest}, database: {words, bytes}}: `words` says why it cannot be read, '' when all of it can.

# read_all COMMAND...: runs it; its words on standard output when it fails for a reason that lies in the data.
read_all() {
  local status=0
  "$@" || status=$?
  : > "$work/words"
  [ "$status" -ne 0 ] || return 0
  case "$(restic_failure "$status")" in
    RestoreDiffers | NotFound | JobFailed) restic_words > "$work/words" ;;
    *) restic_failed "$status" ;;
  esac
}
words() { jq -Rs 'rtrimstr("\n")' "$work/words"; }

files=null
if [ -n "$FILES" ]; then
  everything() { restic_try dump --archive tar "$FILES" / > /dev/null; }
  read_all everything
  said=$(words)
  manifest() { restic_try dump "$FILES" /presslift/point/files.tsv > "$work/files.tsv"; }
  same=false
  if [ "$said" = '""' ]; then
    read_all manifest
    said=$(words)
    if [ "$(manifest_digest "$work/files.tsv")" = "$MANIFEST_DIGEST" ]; then same=true; fi
  fi
  files=$(jq -cn --argjson words "$said" --argjson manifest "$same" '{$words, $manifest}')
fi

database=null
if [ -n "$DATABASE" ]; then
  # Not in a pipe's process of its own: the end of the Job has to reach restic, which then removes its lock.
  mkfifo "$work/dump"
  wc -c < "$work/dump" > "$work/bytes" &
  counting=$!
  dump() { restic_try dump "$DATABASE" /database.sql > "$work/dump"; }
  read_all dump
  wait "$counting"
  database=$(jq -cn --argjson words "$(words)" --argjson bytes "$(cat "$work/bytes")" '{$words, $bytes}')
fi
say "$(jq -cn --argjson files "$files" --argjson database "$database" '{$files, $database}')"
