# Forgets the snapshots of one recovery point; its data goes with the next prune. Environment: POINT.
restic_run snapshots --json --tag "presslift,point:$POINT" > "$work/snapshots"
mapfile -t ids < <(jq -r '.[].id' "$work/snapshots")
if [ "${#ids[@]}" -gt 0 ]; then restic_run forget --json "${ids[@]}" > /dev/null; fi
say "$(jq -cn --argjson forgotten "${#ids[@]}" '{$forgotten}')"
