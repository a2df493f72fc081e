# Library: restic's own progress as lines {"progress": …}, which the worker's heartbeats carry.

# progress_is_due SECONDS: after two minutes only every twenty seconds: the log of a Job is read from its beginning.
progress_is_due() { [ "$1" -lt 120 ] || [ $(($1 % 20)) -lt 2 ]; }

# with_progress OUTPUT COMMAND...: runs the command, which prints restic's JSON messages, keeps them in OUTPUT and turns
# those about its status into progress, as often as progress_is_due says.
# ESTIMATED_BYTES is the total where restic itself cannot know one.
with_progress() {
  local output=$1 status=0 reader
  shift
  rm -f "$work/messages"
  mkfifo "$work/messages"
  tee "$output" < "$work/messages" | jq --unbuffered -Rc --arg estimated "${ESTIMATED_BYTES:-0}" '
        fromjson? | select(.message_type == "status" and (.seconds_elapsed < 120 or .seconds_elapsed % 20 < 2))
        | (if .total_bytes then .total_bytes else $estimated | tonumber end) as $total
        | {progress: {
            files: .files_done, totalFiles: .total_files, bytes: .bytes_done,
            totalBytes: (if $total > 0 then [$total, .bytes_done // 0] | max else null end),
            secondsRemaining: (.seconds_remaining
              // (if $total > 0 and (.bytes_done // 0) > 0 and .seconds_elapsed > 0
                  then ([$total - .bytes_done, 0] | max) * .seconds_elapsed / .bytes_done | ceil else null end))}}' &
  reader=$!
  "$@" > "$work/messages" || status=$?
  wait "$reader" || true
  return "$status"
}

# summary_of OUTPUT: restic's last message of the kind.
summary_of() { jq -Rc 'fromjson? | select(.message_type == "summary")' "$1" | tail -1; }
