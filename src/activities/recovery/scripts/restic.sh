# Library for scripts that use restic. Its address and password come from files; see repositoryOf in repository.ts.

# restic_try ARGUMENTS...: restic, its standard error kept in $work/restic.err. Returns its status. Another operation's lock
# is waited for.
restic_try() {
  local status=0
  repository_answers
  run restic --retry-lock "${RETRY_LOCK:-5m}" "$@" 2> "$work/restic.err" || status=$?
  if [ "$status" -ne 0 ]; then tail -c 4000 "$work/restic.err" >&2; fi
  return "$status"
}

# Ends the Job at once when nobody answers at the repository's address or the certificate is refused: restic itself tries such
# things again for a quarter of an hour. Asked once.
repository_answers() {
  if [ -e "$work/answered" ]; then return 0; fi
  local address origin status=0
  address=$(cat "$RESTIC_REPOSITORY_FILE")
  origin=$(sed -nE 's#^(s3|rest):(https?://)?([^/@]*@)?([^/]+).*#\2\4#p' <<< "$address")
  case "$origin" in '' | https://* | http://*) ;; *) origin="https://$origin" ;; esac
  if [ -n "$origin" ]; then
    curl --silent --show-error --output "$work/answer" --max-time 20 ${RESTIC_CACERT:+--cacert "$RESTIC_CACERT"} "$origin/" \
      2> "$work/restic.err" || status=$?
    case "$status" in
      35 | 51 | 53 | 54 | 58 | 59 | 60 | 66 | 77 | 80 | 82 | 83 | 90 | 91) fail TlsRejected "The repository's server: $(restic_words)" ;;
      5 | 6 | 7 | 28 | 52 | 55 | 56) fail Unavailable "The repository's server does not answer: $(restic_words)" ;;
    esac
  fi
  : > "$work/answered"
}

# restic_run ARGUMENTS...: as restic_try, but every status other than 0 ends the Job with the failure that it stands for.
restic_run() {
  local status=0
  restic_try "$@" || status=$?
  if [ "$status" -ne 0 ]; then restic_failed "$status"; fi
}

# restic_failed STATUS: ends the Job with the failure that restic's status and words stand for.
restic_failed() {
  local type
  type=$(restic_failure "$1")
  case "$type" in
    Unauthorized) fail "$type" "The object storage refuses the keys: $(restic_words)" ;;
    RepositoryRefused) fail "$type" "The repository does not open: $(restic_words)" ;;
    RestoreDiffers) fail "$type" "The repository's data is damaged: $(restic_words)" ;;
    *) fail "$type" "restic ended with status $1: $(restic_words)" ;;
  esac
}

# restic_failure STATUS: the type of failure. Exit statuses are documented at
# https://restic.readthedocs.io/en/stable/075_scripting.html#exit-codes
restic_failure() {
  said() { grep -qiE "$1" "$work/restic.err"; }
  local refused='access denied|accessdenied|forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|not authorized|status code: 40[13]'
  case "$1" in
    10)
      if said "$refused"; then echo Unauthorized
      elif said 'NoSuchBucket|bucket does not exist'; then echo NotFound
      else echo RepositoryRefused; fi
      ;;
    11) echo Unavailable ;;
    12) echo RepositoryRefused ;;
    130 | 143) echo Unavailable ;;
    *)
      if said 'no space left|disk quota|ENOSPC|EDQUOT|QuotaExceeded|InsufficientStorage|storage full'; then echo NoSpace
      elif said 'x509:|tls: '; then echo TlsRejected
      elif said "$refused"; then echo Unauthorized
      elif said 'NoSuchBucket|bucket does not exist'; then echo NotFound
      elif said 'wrong password|no key found'; then echo RepositoryRefused
      elif said 'no matching ID|no snapshot found|failed to find snapshot'; then echo NotFound
      elif said 'ciphertext verification|hash mismatch|damaged|invalid data returned|not found in (repository|index)|blob .* not found|unexpected (pack|size)|decrypt|truncated'; then echo RestoreDiffers
      elif said 'connection refused|connection reset|no such host|i/o timeout|timed? ?out|EOF|no route|unreachable|SlowDown|service unavailable|server misbehaving|status code: 5'; then echo Unavailable
      else echo JobFailed; fi
      ;;
  esac
}

# What restic said last, on one line; JSON messages give their text alone.
restic_words() {
  # No words at all are no failure.
  { grep -v '^[[:space:]]*$' "$work/restic.err" || true; } | tail -3 \
    | jq -Rr '. as $line | try (fromjson | .message // .error.message // $line) catch $line' \
    | tr '\n\t' '  ' | cut -c1-600
}

# literal TEXT: what means something in a pattern of restic or find gets a backslash.
literal() {
  local text=$1 character
  for character in '\' '*' '?' '[' ']'; do text=${text//"$character"/"\\$character"}; done
  printf '%s' "$text"
}
