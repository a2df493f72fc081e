# Checks the structure of the repository and reads part of its data. Environment: SUBSET (`5%`, `0%` for the structure alone).
arguments=(--json)
if [ "$SUBSET" != 0% ]; then arguments+=(--read-data-subset "$SUBSET"); fi
began=$(date +%s%3N)
status=0
restic_alone check "${arguments[@]}" > "$work/messages" || status=$?
# 1 is what damage ends with, and most else; the words tell them apart.
if [ "$status" -ne 0 ] && ! grep -q '"message_type":"summary"' "$work/messages"; then restic_failed "$status"; fi
jq -Rc 'fromjson? | select(.message_type == "summary")' "$work/messages" | tail -1 > "$work/summary"
errors=$(restic_words)
# Which snapshots lose something, by the packs that are broken.
points='[]'
mapfile -t packs < <(jq -r '(.broken_packs // [])[:20][]' "$work/summary")
if [ "${#packs[@]}" -gt 0 ]; then
  restic find --no-lock --json --pack "${packs[@]}" 2> /dev/null > "$work/found" || true
  jq -r '.[]? | .snapshot // empty' "$work/found" 2> /dev/null | sort -u > "$work/damaged" || : > "$work/damaged"
  restic snapshots --json --no-lock 2> /dev/null > "$work/snapshots" || echo '[]' > "$work/snapshots"
  points=$(jq -c --rawfile damaged "$work/damaged" '($damaged | split("\n")) as $ids
    | [.[] | select(.id as $id | $ids | index($id)) | (.tags // [])[] | select(startswith("point:")) | ltrimstr("point:")]
    | unique[:40]' "$work/snapshots")
fi
say "$(jq -cn --argjson status "$status" --slurpfile summary "$work/summary" --arg words "${errors:0:600}" --argjson points "$points" \
  --argjson ms $(($(date +%s%3N) - began)) '{ok: ($status == 0), errors: ($summary[0].num_errors // 0),
    packs: (($summary[0].broken_packs // []) | length), words: (if $status == 0 then "" else $words end), $points, $ms}')"
