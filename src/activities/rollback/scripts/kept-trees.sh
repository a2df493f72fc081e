# Lists or deletes what rollbacks have kept on a claim. Environment: VOLUME (where it is mounted), MODE (list, delete or
# discard), FOLDER (delete, discard: one folder below it). Result: {"folders": [{folder, bytes, files}]}, or
# {"deleted": true|false, "why": text}. `discard` takes back a restore that was not switched to: a tree in `staged` that
# somebody has changed after it was in use stays, and so does all when something else stands where the restored tree was.
bytes_of() { find "$1" -type f -printf '%s\n' 2> /dev/null | awk '{ n += $1 } END { printf "%.0f", n }'; }
files_of() { find "$1" -type f 2> /dev/null | wc -l | tr -d ' '; }

if [ "$MODE" = list ]; then
  result='[]'
  for path in "$VOLUME"/.presslift/rollback-*; do
    [ -d "$path" ] || continue
    result=$(jq -c --arg folder ".presslift/$(basename "$path")" --argjson bytes "$(bytes_of "$path")" \
      --argjson files "$(files_of "$path")" '. + [{$folder, $bytes, $files}]' <<< "$result")
  done
  say "$(jq -c '{folders: .}' <<< "$result")"
  exit 0
fi

[[ $FOLDER =~ ^\.presslift/rollback-[0-9a-f]{12}$ ]] || fail InvalidInput "No folder of a rollback: $FOLDER"
path=$VOLUME/$FOLDER
if [ ! -e "$path" ]; then
  say '{"deleted":false,"why":"it is not there"}'
  exit 0
fi
if [ "$MODE" = discard ]; then
  # In use by the site: then what is in `kept` is the way back.
  : > "$work/noted"
  while IFS= read -r -d '' live && IFS= read -r -d '' inode; do
    if [ "$(stat -c %i "$VOLUME/$live" 2> /dev/null)" = "$inode" ]; then
      fail PreconditionFailed "What was restored to $FOLDER is in use as $live"
    fi
    [ "$inode" = none ] || echo "$inode" >> "$work/noted"
  done < <([ ! -f "$path/inodes" ] || cat "$path/inodes")
  if [ -n "$(find "$path/kept" -not -type d -print -quit 2> /dev/null)" ]; then
    fail PreconditionFailed "The trees of before are still in $FOLDER/kept"
  fi
  # What was restored and is not there any more has been exchanged with what is there, which may be nowhere else.
  find "$path/staged" -printf '%i\n' 2> /dev/null | sort -u > "$work/there"
  if [ -n "$(sort -u "$work/noted" | comm -23 - "$work/there")" ]; then
    say '{"deleted":false,"why":"something in it is not what was restored"}'
    exit 0
  fi
  # Written after the trees were noted as restored, by somebody who had them in use.
  if [ -f "$path/inodes" ] && [ -n "$(find "$path/staged" -cnewer "$path/inodes" -type f -print -quit 2> /dev/null)" ]; then
    say '{"deleted":false,"why":"files in it were changed while they were in use"}'
    exit 0
  fi
fi
rm -rf --one-file-system "$path"
rmdir "$VOLUME/.presslift" 2> /dev/null || true
say '{"deleted":true,"why":""}'
