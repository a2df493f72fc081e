# Forgets the snapshots of all recovery points but those that stay, and frees their space. Environment: SITE, UNTIL (points from
# this id on are left alone). Input, one a line: keep-snapshots (full ids), keep-points (points of which every snapshot stays).
restic_run snapshots --json --tag "presslift,site:$SITE" > "$work/snapshots"
jq -r --rawfile snapshots /presslift/input/keep-snapshots --rawfile points /presslift/input/keep-points --arg until "$UNTIL" '
  ($snapshots | split("\n")) as $kept | ($points | split("\n")) as $whole
  | .[] | . as $snapshot
  | ((.tags // []) | map(select(startswith("point:")) | ltrimstr("point:")) | first) as $point
  | select($point != null and $point < $until and ($kept | index($snapshot.id)) == null and ($whole | index($point)) == null)
  | "\(.id)\t\($point)"' "$work/snapshots" > "$work/forget"
mapfile -t ids < <(cut -f1 "$work/forget")
if [ "${#ids[@]}" -gt 0 ]; then
  # In the way of drills that read: their locks are waited for.
  status=0
  restic_alone forget --json --prune "${ids[@]}" > /dev/null || status=$?
  if [ "$status" -ne 0 ]; then restic_failed "$status"; fi
fi
say "$(cut -f2 "$work/forget" | sort -u | jq -Rnc --argjson snapshots "${#ids[@]}" '{points: [inputs][:60], $snapshots}')"
