# Copies a database into a restic snapshot, as /database.sql, with a manifest of the same instant. dump.sh, which restic runs,
# does the work; this script runs restic. The result is longer than a termination message may be, so it is in the log:
# a line {"result": …}, lines `manifest<tab>…` in the batch format of the client, and a line {"lines": count}.
# Environment: POINT, SITE, DATABASE. Input: dump.sh and what that needs.
export DUMP_STATE=$work/dump CLIENT=/presslift/secrets/client.cnf
mkdir "$DUMP_STATE"

# The size of the tables is near that of the dump: near enough for a percentage.
ESTIMATED_BYTES=$(mariadb --defaults-extra-file="$CLIENT" --batch --skip-column-names "$DATABASE" \
  <<< 'SELECT IFNULL(SUM(DATA_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()' 2> "$DUMP_STATE/error") \
  || database_failed

copy() {
  restic_try backup --json --tag presslift --tag "site:$SITE" --tag "point:$POINT" --tag kind:database \
    --stdin-from-command --stdin-filename database.sql -- bash /presslift/input/dump.sh
}
status=0
with_progress "$work/summary" copy || status=$?
if [ "$status" -ne 0 ]; then
  if [ -s "$DUMP_STATE/error" ]; then database_failed; fi
  restic_failed "$status"
fi

# Which tables and views the dump holds has to be which ones the manifest names.
sed -n 's/^-- Retrieving table structure for table \(.*\)\.\.\.$/\1/p' "$DUMP_STATE/said" | sort -u > "$work/dumped"
grep -E '^(table|view)' "$DUMP_STATE/manifest" | cut -f2 | sort -u > "$work/measured"
if ! cmp -s "$work/dumped" "$work/measured"; then
  fail BackupIncomplete "Tables came or went during the dump: $(comm -3 "$work/dumped" "$work/measured" | tr -d '\t' | head -5 | tr '\n' ' ')"
fi
# Of what follows the tables it has to hold as many as the manifest.
for kind in 'trigger:/\*!50003 CREATE' 'event:/\*!50106 CREATE' 'routine:CREATE DEFINER'; do
  measured=$(grep -c "^${kind%%:*}"$'\t' "$DUMP_STATE/manifest" || true)
  dumped=$(grep -c "^${kind#*:}" "$DUMP_STATE/created" || true)
  if [ "$dumped" -lt "$measured" ]; then
    fail BackupIncomplete "The dump holds $dumped of $measured ${kind%%:*}s"
  fi
done
# The last that it says, when all is written.
if ! grep -q '^-- Disconnecting from ' "$DUMP_STATE/said"; then
  fail BackupIncomplete "The dump ends before its last line"
fi

jq -cn --argjson summary "$(summary_of "$work/summary")" --rawfile position "$DUMP_STATE/position" \
  --rawfile version "$DUMP_STATE/version" --argjson locked "$(cat "$DUMP_STATE/locked")" \
  '{result: {snapshotId: $summary.snapshot_id, bytes: $summary.total_bytes_processed,
    bytesAdded: ($summary.data_added_packed // $summary.data_added), version: ($version | rtrimstr("\n")),
    position: ($position | rtrimstr("\n")), lockedMs: $locked}}'
sed 's/^/manifest\t/' "$DUMP_STATE/manifest"
printf '{"lines":%d}\n' "$(wc -l < "$DUMP_STATE/manifest")"
