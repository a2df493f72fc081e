# Restores /database.sql of a database snapshot into an existing schema. Environment: SNAPSHOT (restic's id), SCHEMA, TOTAL
# (size of the dump in bytes), STRIP_DEFINERS (yes: objects belong to the account that restores), SESSION (SQL that the
# session begins with, or '').
#
# A restored event must not run beside the live one, so events come disabled. In rows line feeds are escaped: no line of them
# begins as the lines of definitions do that are edited here. The client keeps comments in routines, which it would drop.
definer='DEFINER=`([^`]|``)*`@`([^`]|``)*`'
edits=(-e '/^\/\*!50106 CREATE\*\//s/ (ON COMPLETION (NOT )?PRESERVE) ENABLE/ \1 DISABLE/')
if [ "$STRIP_DEFINERS" = yes ]; then
  edits+=(-e "/^(\/\*!50003 CREATE\*\/|\/\*!50106 CREATE\*\/|\/\*!50013 |CREATE DEFINER)/s/$definer//")
fi

# Every part of the pipe writes its own status. restic must be able to write until its end, or it dies of the broken pipe
# and leaves its lock: when the client fails, restic is told to stop and what it still writes is thrown away.
read_dump() {
  local status=0
  (
    echo "$BASHPID" > "$work/restic.pid"
    exec restic --retry-lock "${RETRY_LOCK:-5m}" dump "$SNAPSHOT" /database.sql 2> "$work/restic.err"
  ) || status=$?
  echo "$status" > "$work/restic.status"
}
edit_dump() {
  local status=0
  sed -E "${edits[@]}" || status=$?
  echo "$status" > "$work/edit.status"
}
write_database() {
  local status=0
  (
    echo "$BASHPID" > "$work/mariadb.pid"
    exec mariadb --defaults-extra-file=/presslift/secrets/client.cnf --binary-mode --comments --max-allowed-packet=1G \
      ${SESSION:+--init-command="$SESSION"} "$SCHEMA" > /dev/null 2> "$work/mariadb.err"
  ) || status=$?
  echo "$status" > "$work/mariadb.status"
  if [ "$status" -ne 0 ]; then kill -INT "$(cat "$work/restic.pid")" 2> /dev/null || true; fi
  cat > /dev/null
}
restore() { read_dump | edit_dump | write_database; }

# How many bytes the client has read so far.
report() {
  local bytes
  while sleep 2; do
    bytes=$(awk '$1 == "rchar:" { print $2 }' "/proc/$(cat "$work/mariadb.pid" 2> /dev/null)/io" 2> /dev/null) || continue
    if [ -n "$bytes" ]; then
      jq -cn --argjson bytes "$bytes" --argjson total "$TOTAL" --argjson seconds "$SECONDS" '{progress: {
        bytes: ([$bytes, $total] | min), totalBytes: $total,
        secondsRemaining: (if $bytes > 0 then ([$total - $bytes, 0] | max) * $seconds / $bytes | ceil else null end)}}'
    fi
  done
}
report &
reporter=$!
run restore || true
kill "$reporter" 2> /dev/null || true

status_of() { cat "$work/$1.status" 2> /dev/null || echo 143; }
if [ "$(status_of mariadb)" != 0 ]; then mysql_failed "$work/mariadb.err"; fi
if [ "$(status_of restic)" != 0 ]; then restic_failed "$(status_of restic)"; fi
if [ "$(status_of edit)" != 0 ]; then fail JobFailed "The dump could not be read"; fi
say '{"restored":true}'
