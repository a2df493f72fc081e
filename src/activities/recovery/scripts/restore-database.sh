# Restores /database.sql of a database snapshot into an existing schema. Environment: SNAPSHOT (restic's id), SCHEMA, TOTAL
# (size of the dump in bytes), SESSION (SQL that the session begins with, or ''), DEFINERS (for whom triggers, routines, events
# and views run: `keep`, whom the dump names; `strip`, the account that restores; `give`, OWNER, an account quoted for SQL;
# `apart`, the account of owner.cnf, which makes them itself). Secrets: client.cnf, owner.cnf.
#
# A restored event must not run beside the live one, so events come disabled. In rows line feeds are escaped: no line of them
# begins as the lines of definitions do that are edited here. The client keeps comments in routines, which it would drop.
# Routines that were made in ANSI mode have double quotes.
name='(`([^`]|``)*`|"([^"]|"")*")'
definer="DEFINER=$name@$name"
edits=(-e '/^\/\*!50106 CREATE\*\//s/ (ON COMPLETION (NOT )?PRESERVE) ENABLE/ \1 DISABLE/')
defines='^(\/\*!50003 CREATE\*\/|\/\*!50106 CREATE\*\/|\/\*!50013 |CREATE DEFINER)'
case "$DEFINERS" in
  keep) ;;
  strip | apart) edits+=(-e "/$defines/s/$definer//") ;;
  give) edits+=(-e "/$defines/s/$definer/DEFINER=$OWNER/") ;;
  *) fail JobFailed "No such choice of definers: $DEFINERS" ;;
esac
: > "$work/definitions"
if [ "$DEFINERS" = apart ]; then
  # What has a definer is kept for a second session, together with every setting of the first. A view's place is taken until
  # then by one without rows of anything, so that views find each other; hence it is dropped there too.
  keep="w $work/definitions"
  edits+=(
    -e '/^DELIMITER ;;$/,/^DELIMITER ;$/{' -e "$keep" -e 'd' -e '}'
    -e '/^\/\*!50001 DROP VIEW /N'
    -e '/^\/\*!50001 DROP VIEW [^\n]*\n\/\*!50001 SET /,/^\/\*!50001 SET collation_connection += @saved_col_connection/{' -e "$keep" -e 'd' -e '}'
    -e '/^\/\*M?![0-9]+ SET /'"$keep"
  )
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
if [ "$DEFINERS" = apart ]; then
  run mariadb --defaults-extra-file=/presslift/secrets/owner.cnf --binary-mode --comments --max-allowed-packet=1G "$SCHEMA" \
    < "$work/definitions" > /dev/null 2> "$work/mariadb.err" || mysql_failed "$work/mariadb.err"
fi
say '{"restored":true}'
