# Proves that a volume is shared: part a and part b run at the same time in two pods, and each waits for a word that the
# other wrote. Part a then tries what pods will do on it: change an owner, and write as www-data.
# Environment: PART (a or b), VOLUME, OWNER (uid of www-data). The result is JSON in the termination message.
set -euo pipefail
folder="$VOLUME/.presslift-probe"
say() { printf '%s' "$1" > /dev/termination-log; printf '%s\n' "$1"; }
await() {
  for _ in $(seq 1 180); do
    # Reading the folder first makes an NFS client ask the server again.
    ls "$folder" > /dev/null 2>&1 || true
    if [ "$(cat "$folder/$1" 2> /dev/null)" = "$2" ]; then return 0; fi
    sleep 1
  done
  return 1
}

if [ "$PART" = b ]; then
  await from-a 'a is here' || { say '{"read":false}'; exit 0; }
  printf 'b is here' > "$folder/from-b"
  await done 'a is done' || true
  say '{"read":true}'
  exit 0
fi

mkdir -p "$folder"
rm -f "$folder/from-b" "$folder/done"
printf 'a is here' > "$folder/from-a"
read=false
if await from-b 'b is here'; then read=true; fi

chown=false
touch "$folder/owned"
if chown "$OWNER:$OWNER" "$folder/owned" 2> /dev/null && [ "$(stat -c %u "$folder/owned")" = "$OWNER" ]; then chown=true; fi

# As www-data, in a folder made the way pods make theirs.
mkdir -p "$folder/work"
if [ "$chown" = true ]; then chown "$OWNER:$OWNER" "$folder/work"; fi
direct=false
if setpriv --reuid="$OWNER" --regid="$OWNER" --clear-groups touch "$folder/work/written" 2> /dev/null \
  && [ "$(stat -c %u "$folder/work/written")" = "$OWNER" ]; then direct=true; fi
writable="$direct"
if [ "$writable" = false ] && setpriv --reuid="$OWNER" --regid="$OWNER" --clear-groups test -w "$folder/work"; then writable=true; fi

printf 'a is done' > "$folder/done"
say "{\"read\":$read,\"chown\":$chown,\"writable\":$writable,\"direct\":$direct}"
# Part b reads the last word before the folder goes.
sleep 3
rm -rf "$folder"
