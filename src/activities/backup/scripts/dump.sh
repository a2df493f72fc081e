# Writes a dump to standard output and a manifest of the same instant into $DUMP_STATE. restic runs it, and stores nothing when
# its status is not 0. Three connections see one state: the first holds all tables against writers while the second and the
# dump's own begin their transactions, and lets go as soon as both have: mostly after a fraction of a second, and after half a
# minute whatever happens.
# Environment: DUMP_STATE, CLIENT, DATABASE. Input: session.sql, definitions.sql, tables.sql, lock.sql, generated-columns.awk.
set -euo pipefail
export LC_ALL=C
cd "$DUMP_STATE"
input=/presslift/input

login=(mariadb --defaults-extra-file="$CLIENT" --batch --skip-column-names)
client() { "${login[@]}" "$@" "$DATABASE" 2>> error; }
# Ends this script, and with it restic's copy. What was written to `error` says why.
stop() { if [ -n "${1:-}" ]; then printf '%s\n' "$1" >> error; fi; exit 1; }
# Nothing goes on without this script, neither a lock nor a dump that nobody keeps.
trap 'jobs -p > left; xargs -r kill < left 2> /dev/null || true' EXIT

# open NAME: a connection that stays; write statements to its file descriptor.
open() {
  mkfifo "$1.in" "$1.out"
  "${login[@]}" --unbuffered "$DATABASE" < "$1.in" > "$1.out" 2>> error &
  declare -g "pid_$1=$!"
  exec {writer}> "$1.in" {reader}< "$1.out"
  declare -g "writer_$1=$writer" "reader_$1=$reader"
}
# ask NAME: runs the statements on standard input there, and prints their rows. Returns 1 when the server refuses one.
# They are written while rows are read: a client that cannot write its rows reads no statements, and a pipe holds 64 KiB.
# PATIENCE is for how many seconds a row is waited for; for ever without it.
ask() {
  local writer="writer_$1" reader="reader_$1" line answered=1 sending
  # A process in the background reads nothing unless it is told to.
  { cat; printf "\nSELECT '-- presslift: done';\n"; } <&0 >&"${!writer}" 2> /dev/null &
  sending=$!
  while IFS= read -r ${PATIENCE:+-t "$PATIENCE"} line <&"${!reader}"; do
    if [ "$line" = '-- presslift: done' ]; then
      answered=0
      break
    fi
    printf '%s\n' "$line"
  done
  # With the client gone nobody reads what is still to be sent.
  wait "$sending" || answered=1
  return "$answered"
}
close() {
  local writer="writer_$1"
  eval "exec ${!writer}>&-"
}

# Made before anything is locked: the statement that locks, for each kind of table, and one for each table that measures it.
client --raw < "$input/tables.sql" > statements || stop
sed -i 's/$/;/' statements
client --raw < "$input/lock.sql" > locks || stop
[ -s locks ] || stop 'The database has no tables'
lock_moment=$(sed -n 's/^moment\t//p' locks)
lock_whole=$(sed -n 's/^whole\t//p' locks)

generated=$(client <<< "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND EXTRA LIKE '%GENERATED%' AND EXTRA NOT LIKE '%DEFAULT_GENERATED%'") || stop
# One that is made between this moment and the dump's is in the manifest and was not noted: such a dump is refused, and made again.
defined=$(client <<< "SELECT (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE())
  + (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE())
  + (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE())") || stop

# Tables without transactions have no state of an instant: these alone stay locked until all is read.
# Nobody asks for a second lock on them: it would wait behind writers that wait for the first.
if [ -n "$lock_whole" ]; then
  open whole
  ask whole <<< "SET SESSION lock_wait_timeout = 30; $lock_whole;" > /dev/null || stop
fi

open measure
ask measure < "$input/session.sql" > /dev/null || stop
ask measure <<< 'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT VERSION();' > version || stop

# A statement that runs for long keeps us waiting, and everybody behind us: give up soon and try again.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  : > error
  rm -f lock.in lock.out
  open lock
  if ask lock <<< "SET SESSION lock_wait_timeout = 3; ${lock_moment:-DO 0};" > /dev/null; then break; fi
  if ! grep -q 'ERROR 1205' error; then stop; fi
  if [ "$attempt" = 10 ]; then stop 'Tables stay locked by others'; fi
  sleep 2
done
# Whoever writes to the site waits from here to UNLOCK TABLES: each of the three things in between gets a third of half a minute.
began=$(date +%s%3N)
waited='Tables would stay locked: the dump has not begun in time'
PATIENCE=10 ask measure <<< 'START TRANSACTION WITH CONSISTENT SNAPSHOT;' > /dev/null || stop "$waited"

# What the dump says of its work (--verbose), kept in `said`: the transaction has begun when it comes to its first table.
mkfifo begun saying
watch() {
  local line waiting=yes
  while IFS= read -r line; do
    printf '%s\n' "$line"
    if [ "$waiting" = yes ] && [[ $line == '-- Retrieving table structure '* ]]; then
      waiting=no
      echo begun > begun
    fi
  done
  if [ "$waiting" = yes ]; then echo ended > begun; fi
}
watch < saying > said &
watcher=$!
# Leaves a first line out that locks newer clients of MariaDB in and that no other client can read, and makes MySQL take the
# rows of tables with generated columns.
relay() {
  local line
  if ! IFS= read -r line; then exit 1; fi
  if [ "$line" != '/*M!999999\- enable the sandbox mode */ ' ]; then printf '%s\n' "$line"; fi
  if [ "$generated" = 0 ]; then cat; else awk -f "$input/generated-columns.awk"; fi
}
# Notes in `created` how what follows the tables is made, a line for each, where there is any: looking through all rows for it takes
# time. In rows line feeds are escaped, so that none of them begins like this.
: > created
noting=''
if [ "$defined" != 0 ]; then
  mkfifo defining
  grep -aoE '^(/\*!50003 CREATE\*/|/\*!50106 CREATE\*/|CREATE DEFINER=.* (PROCEDURE|FUNCTION|PACKAGE( BODY)?) )' < defining > created &
  noting=$!
fi
edit() { if [ "$noting" = '' ]; then relay; else relay | tee defining; fi; }
# The client writes in pieces of 4 KiB where nobody tells it otherwise: a tenth of its time.
stdbuf --output=1M mariadb-dump --defaults-extra-file="$CLIENT" --single-transaction --quick --routines --triggers --events \
  --hex-blob --no-tablespaces --skip-dump-date --default-character-set=utf8mb4 --max-allowed-packet=1G --verbose "$DATABASE" \
  2> saying | edit &
dump=$!
# Waits for the dump, and ends this script when it broke.
await_dump() {
  local status=0
  wait "$dump" || status=$?
  wait "$watcher"
  if [ "$noting" != '' ]; then wait "$noting" || true; fi
  if [ "$status" -ne 0 ] || [ "${1:-}" = broken ]; then
    grep -v '^-- ' said >> error || true
    stop
  fi
}
# The position in the binary log, where the server tells: a set of transactions or file:offset. MySQL and MariaDB know different
# ones of these questions, and nothing depends on an answer.
timeout 10 "${login[@]}" --force > answers 2> /dev/null << 'QUESTIONS' || true
SELECT 'set', @@GLOBAL.gtid_executed;
SELECT 'set', @@GLOBAL.gtid_binlog_pos;
SHOW BINARY LOG STATUS;
SHOW MASTER STATUS;
QUESTIONS
awk -F'\t' '$1 == "set" && $2 != "" { set = $2 } $1 != "set" && file == "" { file = $1 ":" $2 }
  END { printf "%s", set != "" ? set : file }' answers | sed 's/\\n//g' > position
# Opened for both, a pipe waits for nobody.
exec {signal}<> begun
read -r -t 10 state <&"$signal" || stop "$waited"
ask lock <<< 'UNLOCK TABLES;' > /dev/null || stop
echo $(($(date +%s%3N) - began)) > locked
close lock
if [ "$state" != begun ]; then await_dump broken; fi

ask measure < <(cat "$input/definitions.sql" statements) > manifest || stop
close measure
await_dump
