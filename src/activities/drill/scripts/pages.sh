# Asks the restored copy for pages as a visitor and as an administrator, from inside its namespace. Environment: ADDRESS
# (host:port of the pod), SITE_HOST, LOGIN (user name), SEAL (value of the seal's header). Input: pages.json [{id, path,
# expected: [text], words: [word], link}]. Secret: password. It prints one JSON document, {sealed, answers: [{id, path, status,
# ms, bytes, sha256, title, found, words, links, sealed}]}, as the last line of its log. Where PHP does not show the seal, no
# page is asked for: `sealed` is false then, and there are no answers.
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

# The seal that the last answer shows.
seal() { grep -i '^x-presslift-drill:' "$work/headers" | tail -n 1 | cut -d: -f2 | tr -d ' \r\n' || true; }

# Whether PHP runs sealed off, asked of scripts that load neither wp-config.php nor plugins: without the seal those could write
# to the live site's database. A web server may refuse visitors one of them; then the next one tells.
is_sealed() {
  local path status
  for path in /wp-admin/load-styles.php /wp-includes/version.php /wp-content/index.php; do
    status=$(ask "$path")
    if [ "$(seal)" = "$SEAL" ]; then return 0; fi
    case "$status" in
      401* | 403* | 404*) ;;
      *) return 1 ;;
    esac
  done
  return 1
}

# answer ID PATH "STATUS SECONDS BYTES" FOUND WORDS LINKS: one line.
answer() {
  local status seconds bytes
  read -r status seconds bytes <<< "$3"
  jq -cn --arg id "$1" --arg path "$2" --argjson found "$4" --argjson words "$5" --argjson links "$6" --arg status "${status:-0}" --arg seconds "${seconds:-0}" \
    --arg bytes "${bytes:-0}" --arg sha256 "$(sha256sum < "$work/body" | cut -c1-64)" \
    --arg title "$(tr '\n' ' ' < "$work/body" | grep -aoiP '<title[^>]*>\K.*?(?=</title>)' | head -n 1 | cut -c1-300)" \
    --arg sealed "$(seal)" \
    '{$id, $path, status: ($status | tonumber), ms: ($seconds | tonumber * 1000 | round), bytes: ($bytes | tonumber), $sha256,
      $title, $found, $words, $links, $sealed}' >> "$work/answers"
}

# Whether each expected text of request AT is in the body.
found() {
  local text all='[]'
  while IFS= read -r -d '' text; do
    if grep -aqF -- "$text" "$work/body"; then all=$(jq -c '. + [true]' <<< "$all"); else all=$(jq -c '. + [false]' <<< "$all"); fi
  done < <(jq -j ".[$1].expected[] | (., \"\\u0000\")" "$pages")
  printf '%s' "$all"
}

# How many words of request AT are in what follows the head.
words() {
  local word count=0
  awk 'seen { print; next } { at = index(tolower($0), "<body"); if (at) { seen = 1; print substr($0, at) } }' "$work/body" > "$work/shown"
  while IFS= read -r -d '' word; do
    if grep -aqF -- "$word" "$work/shown"; then count=$((count + 1)); fi
  done < <(jq -j ".[$1].words // [] | .[] | (., \"\\u0000\")" "$pages")
  printf '%s' "$count"
}

# How often the page names the link of request AT, with the site's host before it or none, and nothing after it that would make
# it another path.
links() {
  local link host
  link=$(jq -r ".[$1].link // \"\"" "$pages")
  if [ -z "$link" ]; then
    printf 0
    return
  fi
  # \Q ends at \E alone, which is written apart.
  link=${link//\\E/\\E\\\\E\\Q}
  host=${SITE_HOST//\\E/\\E\\\\E\\Q}
  { grep -aoP "(?:[\"'=]|//\\Q$host\\E(?::[0-9]+)?)\\Q$link\\E(?=[\"'<>#?&\\s]|\$)" "$work/body" || true; } | wc -l | tr -d ' '
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

if ! is_sealed; then
  jq -cn '{sealed: false, answers: []}'
  exit 0
fi

count=$(jq '[.[] | select(.id != "media")] | length' "$pages")
for ((at = 0; at < count; at++)); do
  id=$(jq -r ".[$at].id" "$pages")
  path=$(jq -r ".[$at].path" "$pages")
  told=$(ask "$path")
  matches=$(found "$at")
  if [ "$id" = login ]; then
    cp "$work/body" "$work/form"
    cp "$work/headers" "$work/form-headers"
    if log_in; then matches=$(jq -c '. + [true]' <<< "$matches"); else matches=$(jq -c '. + [false]' <<< "$matches"); fi
    mv "$work/form" "$work/body"
    mv "$work/form-headers" "$work/headers"
  fi
  answer "$id" "$path" "$told" "$matches" "$(words "$at")" "$(links "$at")"
  printf '{"asked":%d,"of":%d}\n' "$((at + 1))" "$count"
done

# Media on one connection, as a visitor without a session: file NUMBER in $work/media for each.
mkdir -p "$work/media"
jq -r --arg folder "$work/media" --arg host "$SITE_HOST" '[.[] | select(.id == "media")] | to_entries[]
  | "url = \("http://" + $host + .value.path | tojson)\noutput = \($folder + "/" + (.key | tostring) | tojson)"' "$pages" > "$work/media.curl"
: > "$work/media.told"
if [ -s "$work/media.curl" ]; then
  curl --silent --globoff --max-time 600 --connect-to "$SITE_HOST:80:$ADDRESS" --header 'X-Forwarded-Proto: https' \
    --write-out '%{http_code} %{time_total} %{size_download} %{filename_effective}\n' --config "$work/media.curl" > "$work/media.told" 2> /dev/null || true
  (cd "$work/media" && find . -type f -printf '%P\0' | xargs -0 -r sha256sum) | awk '{ print $2, $1 }' > "$work/media.hashes"
  jq -c --arg folder "$work/media/" --rawfile told "$work/media.told" --rawfile hashes "$work/media.hashes" '
    ([$told | split("\n")[] | select(. != "") | split(" ") | {key: (.[3] | ltrimstr($folder)), value: .}] | from_entries) as $told
    | ([$hashes | split("\n")[] | select(. != "") | split(" ") | {key: .[0], value: .[1]}] | from_entries) as $hashes
    | [.[] | select(.id == "media")] | to_entries[] | (.key | tostring) as $at
    | {id: "media", path: .value.path, status: ($told[$at][0] // "0" | tonumber), ms: ($told[$at][1] // "0" | tonumber * 1000 | round),
       bytes: ($told[$at][2] // "0" | tonumber), sha256: ($hashes[$at] // ""), title: "", found: [], words: 0, links: 0, sealed: ""}' "$pages" >> "$work/answers"
fi
jq -cs '{sealed: true, answers: .}' "$work/answers"
