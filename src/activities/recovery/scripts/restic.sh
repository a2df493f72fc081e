# Library for scripts that use restic. Its address and password come from files; see repositoryOf in repository.ts.

# restic_try ARGUMENTS...: restic, its standard error kept in $work/restic.err. Returns its status. Another operation's lock
# is waited for.
restic_try() {
  local status=0
  run restic --retry-lock "${RETRY_LOCK:-5m}" "$@" 2> "$work/restic.err" || status=$?
  if [ "$status" -ne 0 ]; then tail -c 4000 "$work/restic.err" >&2; fi
  return "$status"
}

# restic_run ARGUMENTS...: as restic_try, but every status other than 0 ends the Job with the failure that it stands for.
restic_run() {
  local status=0
  restic_try "$@" || status=$?
  if [ "$status" -ne 0 ]; then restic_failed "$status"; fi
}

# restic_failed STATUS: ends the Job with the failure that restic's status and words stand for. Exit statuses are
# documented at https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
restic_failed() {
  local words
  words=$(restic_words)
  case "$1" in
    10)
      if grep -qiE 'access denied|forbidden|InvalidAccessKeyId|SignatureDoesNotMatch' "$work/restic.err"; then
        fail Unauthorized "The object storage refuses the keys: $words"
      fi
      fail RepositoryRefused "There is no restic repository: $words"
      ;;
    11) fail Unavailable "The repository stays locked: $words" ;;
    12) fail RepositoryRefused "The repository does not open with this password: $words" ;;
    130 | 143) fail Unavailable "restic was interrupted" ;;
  esac
  if grep -qiE 'no space left|disk quota|ENOSPC|EDQUOT|QuotaExceeded|InsufficientStorage|storage full' "$work/restic.err"; then
    fail NoSpace "$words"
  fi
  if grep -qiE 'x509:|certificate|tls: ' "$work/restic.err"; then
    fail TlsRejected "$words"
  fi
  if grep -qiE 'access denied|forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|not authorized|status code: 40[13]' "$work/restic.err"; then
    fail Unauthorized "The object storage refuses the keys: $words"
  fi
  if grep -qiE 'NoSuchBucket|bucket does not exist' "$work/restic.err"; then
    fail NotFound "$words"
  fi
  if grep -qiE 'wrong password|no key found' "$work/restic.err"; then
    fail RepositoryRefused "$words"
  fi
  if grep -qiE 'ciphertext verification|hash mismatch|does not match|damaged|invalid data returned|not found in (repository|index)|blob .* not found|unexpected (pack|size)|decrypt' "$work/restic.err"; then
    fail RestoreDiffers "The repository's data is damaged: $words"
  fi
  if grep -qiE 'connection refused|connection reset|no such host|i/o timeout|timed? ?out|EOF|no route|unreachable|SlowDown|service unavailable|server misbehaving|status code: 5' "$work/restic.err"; then
    fail Unavailable "$words"
  fi
  fail JobFailed "restic ended with status $1: $words"
}

# What restic said last, on one line; JSON messages give their text alone.
restic_words() {
  grep -v '^[[:space:]]*$' "$work/restic.err" | tail -3 \
    | jq -Rr '. as $line | try (fromjson | .message // .error.message // $line) catch $line' \
    | tr '\n\t' '  ' | cut -c1-600
}
