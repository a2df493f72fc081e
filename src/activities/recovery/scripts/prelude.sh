# Begins every script of a toolbox Job: `toolboxScript` puts it before the others. The end of a Job is one JSON document: the
# script's own result, or {"failure": type, "message": sentence}. It is the termination message, or the log's last line that
# begins with `result: ` where it is longer than such a message may be. Lines of JSON without those words are progress.
set -euo pipefail
export LC_ALL=C
umask 077
work=$(mktemp -d)

# say JSON: the Job's result.
say() {
  if [ "${#1}" -le 4000 ]; then printf '%s' "$1" > /dev/termination-log; fi
  printf 'result: %s\n' "$1"
}

# fail TYPE SENTENCE: ends the Job with a failure of the table in src/domain/failures.ts.
fail() {
  say "$(jq -cn --arg failure "$1" --arg message "${2:0:1500}" '{$failure, $message}')"
  exit 1
}

# run COMMAND...: runs it so that the end of the Job ends it too, and returns its status. A pod's first process gets SIGTERM
# alone; restic takes SIGINT as the word to remove its lock and go.
run() {
  local status=0
  # With job control a background process gets a process group of its own and does not ignore SIGINT.
  set -m
  "$@" &
  running=$!
  set +m
  wait "$running" || status=$?
  running=''
  return "$status"
}
running=''
terminated() {
  trap '' TERM INT
  if [ -n "$running" ]; then
    kill -INT -- "-$running" 2> /dev/null || true
    wait "$running" || true
  fi
  exit 143
}
trap terminated TERM INT
