#!/bin/bash
# Starts one part of the site: `php`, `web` or `both`. Anything else is run as it is.
#
# As in the official image: core is copied to the working directory when there is none, and wp-config.php is made from
# wp-config-docker.php when there is none and a WORDPRESS_… variable is set. Keys and salts that the environment does
# not give are drawn at random into that file; so they differ from volume to volume, and from pod to pod without one.
set -euo pipefail

core=/usr/src/wordpress
document_root=$PWD

prepare() {
  local owner=()
  if [ "$(id -u)" = 0 ]; then owner=(--owner www-data --group www-data); fi
  if [ ! -e index.php ]; then
    echo "WordPress is not in $document_root: copying it there" >&2
    local skip=(--exclude ./index.php)
    # What is in wp-content already is the site's own.
    for entry in wp-content/*/*; do
      if [ -e "$entry" ] && [ -e "$core/$entry" ]; then skip+=(--exclude "./$entry"); fi
    done
    tar --create --directory "$core" "${owner[@]}" --anchored "${skip[@]}" . |
      tar --extract --no-overwrite-dir
    if [ "$(id -u)" = 0 ]; then chown www-data:www-data . wp-content; fi
    # Last, so that a copy that was cut short is made again.
    tar --create --directory "$core" "${owner[@]}" ./index.php | tar --extract
    echo 'WordPress is copied' >&2
  fi
  if [ ! -s wp-config.php ] && compgen -e | grep -q '^WORDPRESS_'; then
    local new
    new=$(mktemp ./.wp-config.XXXXXX)
    while IFS= read -r line || [ -n "$line" ]; do
      if [[ $line == *'put your unique phrase here'* ]]; then
        line=${line//put your unique phrase here/$(head -c 48 /dev/urandom | base64 -w 0)}
      fi
      printf '%s\n' "$line"
    done < "$core/wp-config-docker.php" > "$new"
    chmod 640 "$new"
    # As the folder: in the image it is root's, and so WordPress cannot change its settings.
    if [ "$(id -u)" = 0 ]; then chown "$(stat -c %u .):www-data" "$new"; fi
    mv "$new" wp-config.php
    echo 'wp-config.php is made' >&2
  fi
}

php_fpm=(php-fpm8.2 --nodaemonize --fpm-config /etc/php/8.2/fpm/wordpress.conf)
nginx=(nginx -c /etc/nginx/nginx.conf -g 'daemon off;')
export PHP_FPM_MAX_CHILDREN=${PHP_FPM_MAX_CHILDREN:-6}

case ${1-} in
  php)
    prepare
    exec "${php_fpm[@]}"
    ;;
  web)
    exec "${nginx[@]}"
    ;;
  both)
    prepare
    "${php_fpm[@]}" &
    php=$!
    "${nginx[@]}" &
    web=$!
    # nginx first: what it has accepted still needs PHP.
    trap 'kill -QUIT $web; wait $web; kill -QUIT $php; wait $php; exit 0' QUIT TERM INT
    status=0
    wait -n || status=$?
    kill -QUIT "$php" "$web" 2>/dev/null || true
    wait
    exit "$status"
    ;;
  *)
    exec "$@"
    ;;
esac
