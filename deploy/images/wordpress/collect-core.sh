#!/bin/bash
# Makes /wordpress (core and its theme, complete by itself) and /plugins out of Debian's packages.
#
#   collect-core.sh RELEASE SERIES
#
# Debian takes libraries out of WordPress, puts links in their place and packages them apart; here the links are
# replaced by the files again.
set -euo pipefail
release=$1 series=$2
tree=/tmp/packages
bash /tmp/unpack-packages.sh "$release" "$tree" \
  wordpress wordpress-theme-twentytwentyfive php-getid3 libjs-cropper libjs-lodash libjs-underscore

source=$tree/usr/share/wordpress
version=$(sed -n "s/^\$wp_version = '\(.*\)';/\1/p" "$source/wp-includes/version.php")
case $version in
  "$series" | "$series".*) ;;
  *) echo "Debian $release has WordPress $version, not $series." >&2; exit 1 ;;
esac
# Settings of Debian's own way to install it.
rm -f "$source/.htaccess" "$source/wp-config.php"
# Every image has its own list of certificate authorities; the image's replaces this link.
rm "$source/wp-includes/certificates/ca-bundle.crt"
cp -rL "$source" /wordpress
broken=$(find /wordpress -type l)
[ -z "$broken" ] || { echo "Links are left: $broken" >&2; exit 1; }

# Core only: a site's plugins are the site's own. Those that are here are what the sandbox's site starts with.
mkdir /plugins
mv /wordpress/wp-content/plugins/akismet /plugins/
mkdir -p /wordpress/wp-content/{cache,languages,mu-plugins,uploads,upgrade,upgrade-temp-backup}
echo "WordPress $version"
