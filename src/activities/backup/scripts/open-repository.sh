# Opens the repository, makes it where there is none, and removes locks that nobody holds.
created=false
status=0
restic_try list snapshots --no-lock > "$work/snapshots" || status=$?
if [ "$status" -eq 10 ]; then
  restic_run init > /dev/null
  created=true
elif [ "$status" -ne 0 ]; then restic_failed "$status"; fi
# Without a single snapshot it is new, or somebody has emptied it.
empty=false
if [ ! -s "$work/snapshots" ]; then empty=true; fi

remove_dead_locks
say "$(jq -cn --argjson created "$created" --argjson empty "$empty" --argjson dead "$dead_locks" --argjson living "$living_locks" '{$created, $empty, $dead, $living}')"
