# Opens the repository, makes it where there is none, and removes locks that nobody holds. Environment: OWN_PREFIX (names of
# this site's backup Jobs begin with it; none of them runs now).
created=false
status=0
restic_try cat config > /dev/null || status=$?
if [ "$status" -eq 10 ]; then
  restic_run init > /dev/null
  created=true
elif [ "$status" -ne 0 ]; then restic_failed "$status"; fi

# Without a single snapshot it is new, or somebody has emptied it.
empty=$created
if [ "$created" = false ]; then
  restic_run list snapshots --no-lock > "$work/snapshots"
  if [ ! -s "$work/snapshots" ]; then empty=true; fi
fi

# A killed pod leaves its lock, which keeps `check` and `prune` out for half an hour. The host in it is the pod's name.
others=0
dead=0
while IFS= read -r lock; do
  [ -n "$lock" ] || continue
  # One that was released in between is no error.
  host=$(restic cat lock --no-lock "$lock" 2> /dev/null | jq -r .hostname || true)
  case $host in
    '') ;;
    "$OWN_PREFIX"*) dead=$((dead + 1)) ;;
    *) others=$((others + 1)) ;;
  esac
done < <(restic list locks --no-lock 2> /dev/null)
if [ "$dead" -gt 0 ] && [ "$others" -eq 0 ]; then restic_run unlock --remove-all > /dev/null
elif [ "$dead" -gt 0 ]; then restic_run unlock > /dev/null; fi
say "$(jq -cn --argjson created "$created" --argjson empty "$empty" --argjson dead "$dead" --argjson others "$others" '{$created, $empty, $dead, $others}')"
