# Opens the repository and reads every byte of a recovery point's two snapshots, so that each is compared with its hash. It
# takes no exclusive lock: a drill must not hold up a backup. Environment: FILES, DATABASE (restic's ids, or ''). Result:
#   {config: id, files: {found, host, bytes, damage}, database: {…, dumpBytes}}; `damage` is '' for none.
restic_run cat config > "$work/config"

# read_all ID: every byte of a snapshot, thrown away; says how many there were.
read_all() {
  local status=0
  (
    restic --retry-lock "${RETRY_LOCK:-5m}" dump --archive tar "$1" / 2> "$work/restic.err" || echo "$?" > "$work/status"
  ) | wc -c > "$work/bytes"
  [ ! -s "$work/status" ] || status=$(cat "$work/status")
  rm -f "$work/status"
  return "$status"
}

# One of the words that restic_failed ends the Job with says damage; every other failure is none of the data's.
look() {
  local id=$1 status=0
  if [ -z "$id" ] || ! restic_try snapshots --json "$id" > "$work/snapshots" || [ "$(jq length "$work/snapshots")" != 1 ]; then
    # An id that is not there is an error in restic's own words; so is a repository that does not answer.
    restic_run snapshots --json --latest 1 > /dev/null
    printf '%s' '{"found":false,"host":"","bytes":0,"damage":"","dumpBytes":null}'
    return
  fi
  local host damage='' size=null
  host=$(jq -r '.[0].hostname' "$work/snapshots")
  run read_all "$id" || status=$?
  if [ "$status" -ne 0 ]; then
    case "$(restic_failure "$status")" in
      RestoreDiffers | JobFailed) damage=$(restic_words) ;;
      *) restic_failed "$status" ;;
    esac
  fi
  if restic_try ls --json "$id" /database.sql > "$work/ls"; then
    size=$(jq -s '[.[] | select(.path == "/database.sql") | .size][0]' "$work/ls")
  fi
  jq -cn --arg host "$host" --arg damage "${damage:0:500}" --argjson bytes "$(tr -d ' ' < "$work/bytes")" \
    --argjson size "$size" '{found: true, $host, $bytes, $damage, dumpBytes: $size}'
}

files=$(look "$FILES")
database=$(look "$DATABASE")
say "$(jq -cn --arg config "$(jq -r .id "$work/config")" --argjson files "$files" --argjson database "$database" '{$config, $files, $database}')"
