# Prints the copy of the CDN's rules in a recovery point, encrypted; an empty text where the point holds none. Environment:
# SNAPSHOT (restic's id of the files). Secret: key. Result, as the last line of its log: {rules}.
file=/presslift/point/cdn-rules.json
restic_run ls --no-lock "$SNAPSHOT" /presslift/point > "$work/list"
rules=''
if grep -qxF "$file" "$work/list"; then
  restic_run dump --no-lock "$SNAPSHOT" "$file" > "$work/rules.json"
  rules=$(encrypt < "$work/rules.json")
fi
say "{\"rules\":\"$rules\"}"
