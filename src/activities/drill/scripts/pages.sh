# Asks the restored copy for pages as a visitor and as an administrator, from inside its namespace. Environment: ADDRESS
# (host:port of the pod), SITE_HOST, LOGIN (user name). Input: pages.json [{id, path, expected: [text]}]. Secret: password.
# It prints one JSON document, [{id, path, status, ms, bytes, sha256, title, found, sealed}], as the last line of its log.
#
# TLS ends in front of WordPress, so requests are plain and say that they were not. Cookies for HTTPS alone would not be sent
# by curl over plain HTTP; they are carried here.
pages=/presslift/input/pages.json
: > "$work/cookies"
: > "$work/answers"

ask() {
  local path=$1
  shift
  : > "$work/body"
  : > "$work/headers"
  curl --silent --show-error --globoff --max-time 60 --output "$work/body" --dump-header "$work/headers" \
    --connect-to "$SITE_HOST:80:$ADDRESS" --header 'X-Forwarded-Proto: https' --header "@$work/cookies" \
    --write-out '%{http_code} %{time_total} %{size_download}' "$@" "http://$SITE_HOST$path" 2> "$work/error" || true
}

# answer ID PATH "STATUS SECONDS BYTES" FOUND: one line.
answer() {
  local status seconds bytes
  read -r status seconds bytes <<< "$3"
  jq -cn --arg id "$1" --arg path "$2" --argjson found "$4" --arg status "${status:-0}" --arg seconds "${seconds:-0}" \
    --arg bytes "${bytes:-0}" --arg sha256 "$(sha256sum < "$work/body" | cut -c1-64)" \
    --arg title "$(tr '\n' ' ' < "$work/body" | grep -aoiP '<title[^>]*>\K.*?(?=</title>)' | head -n 1 | cut -c1-300)" \
    --arg sealed "$(grep -i '^x-presslift-drill:' "$work/headers" | tail -n 1 | cut -d: -f2 | tr -d ' \r\n')" \
    '{$id, $path, status: ($status | tonumber), ms: ($seconds | tonumber * 1000 | round), bytes: ($bytes | tonumber), $sha256,
      $title, $found, $sealed}' >> "$work/answers"
}

# Whether each expected text of request AT is in the body.
found() {
  local text all='[]'
  while IFS= read -r -d '' text; do
    if grep -aqF -- "$text" "$work/body"; then all=$(jq -c '. + [true]' <<< "$all"); else all=$(jq -c '. + [false]' <<< "$all"); fi
  done < <(jq -j ".[$1].expected[] | (., \"\\u0000\")" "$pages")
  printf '%s' "$all"
}

# Sends the form. WordPress answers with the cookies of the session.
log_in() {
  printf 'Cookie: wordpress_test_cookie=WP%%20Cookie%%20check\n' > "$work/cookies"
  ask /wp-login.php --data-urlencode "log=$LOGIN" --data-urlencode "pwd@/presslift/secrets/password" --data testcookie=1 \
    --data wp-submit=Log+In > /dev/null
  {
    printf 'Cookie: wordpress_test_cookie=WP%%20Cookie%%20check'
    grep -i '^set-cookie: *wordpress_' "$work/headers" | sed -E 's/^[^:]*: *([^;]*).*/\1/' | tr -d '\r' \
      | while IFS= read -r cookie; do printf '; %s' "$cookie"; done
    printf '\n'
  } > "$work/session"
  mv "$work/session" "$work/cookies"
  grep -q 'wordpress_logged_in_' "$work/cookies"
}

count=$(jq length "$pages")
for ((at = 0; at < count; at++)); do
  id=$(jq -r ".[$at].id" "$pages")
  path=$(jq -r ".[$at].path" "$pages")
  told=$(ask "$path")
  matches=$(found "$at")
  if [ "$id" = login ]; then
    answer_body=$(mktemp -p "$work")
    cp "$work/body" "$answer_body"
    headers=$(mktemp -p "$work")
    cp "$work/headers" "$headers"
    if log_in; then matches=$(jq -c '. + [true]' <<< "$matches"); else matches=$(jq -c '. + [false]' <<< "$matches"); fi
    mv "$answer_body" "$work/body"
    mv "$headers" "$work/headers"
  fi
  answer "$id" "$path" "$told" "$matches"
  printf '{"asked":%d,"of":%d}\n' "$((at + 1))" "$count"
done
jq -cs '{answers: .}' "$work/answers"
