# Library: locks of the repository that nobody holds any more. A pod that is killed leaves its lock, and any lock keeps `forget`
# and `check` out. Environment: OWN_HOSTS (host names of this site's Jobs begin with it), ENDED_HOSTS (so do those of Jobs of
# which none runs now). Needs the library restic.

# A living restic writes its lock anew every five minutes.
silent_seconds=720

# remove_dead_locks: removes locks that restic itself counts as stale, which are half an hour old; and at once those of this
# site's Jobs that are no more. restic can only remove all locks or the stale ones, so that while anybody else is at work in
# the repository the others have to become stale. Leaves the numbers in $dead_locks and $living_locks.
remove_dead_locks() {
  local lock host time
  dead_locks=0
  living_locks=0
  restic_run list locks --no-lock > "$work/locks"
  # Mostly there is none at all, and opening the repository takes its time.
  if [ ! -s "$work/locks" ]; then return 0; fi
  restic_run unlock > /dev/null
  restic_run list locks --no-lock > "$work/locks"
  while IFS= read -r lock; do
    [ -n "$lock" ] || continue
    # One that was released in between, or cannot be read, counts as held.
    restic cat lock --no-lock "$lock" 2> /dev/null > "$work/lock" || : > "$work/lock"
    host=$(jq -r '.hostname // ""' "$work/lock")
    time=$(jq -r '.time // ""' "$work/lock")
    case $host in
      "$ENDED_HOSTS"*) dead_locks=$((dead_locks + 1)) ;;
      "$OWN_HOSTS"*)
        if [ $(($(date +%s) - $(date -d "${time:-now}" +%s))) -gt "$silent_seconds" ]; then dead_locks=$((dead_locks + 1))
        else living_locks=$((living_locks + 1)); fi
        ;;
      *) living_locks=$((living_locks + 1)) ;;
    esac
  done < "$work/locks"
  if [ "$dead_locks" -gt 0 ] && [ "$living_locks" -eq 0 ]; then restic_run unlock --remove-all > /dev/null; fi
}

# restic_alone ARGUMENTS...: as restic_try, for what bears no other lock. Living holders are waited for, for 40 minutes: by then
# a lock that nobody holds is stale, whoever left it.
restic_alone() {
  local status until=$((SECONDS + 2400))
  while :; do
    remove_dead_locks
    status=0
    RETRY_LOCK=2m restic_try "$@" || status=$?
    if [ "$status" -ne 11 ] || [ "$SECONDS" -ge "$until" ]; then return "$status"; fi
  done
}
