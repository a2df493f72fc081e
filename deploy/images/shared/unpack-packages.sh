#!/bin/bash
# Unpacks packages of another Debian release than the image's own, without installing them or what they need.
#
#   unpack-packages.sh RELEASE FOLDER PACKAGE...
#
# The mirror is the one that the image's own apt sources name; only the release is another one.
set -euo pipefail
release=$1 folder=$2
shift 2

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{parts,lists/partial,archives/partial,debs} "$folder"
touch "$root/status"
# Lines such as: 'http://mirror/debian/dists/bookworm/InRelease' name size
mirror=$(apt-get --print-uris update | sed -n "s|^'\\(.*\\)/dists/[a-z]*/InRelease'.*|\\1|p" | head -1)
[ -n "$mirror" ] || { echo 'The image has no apt source to take a mirror from.' >&2; exit 1; }
keyring=$(ls /usr/share/keyrings/debian-archive-keyring.{gpg,pgp} 2>/dev/null | head -1 || true)
[ -n "$keyring" ] || { echo 'The image has no keys of the Debian archive.' >&2; exit 1; }
echo "deb [signed-by=$keyring] $mirror $release main" > "$root/sources.list"
cat > "$root/apt.conf" <<CONF
Dir::Etc::SourceList "$root/sources.list";
Dir::Etc::SourceParts "$root/parts";
Dir::State::Lists "$root/lists";
Dir::State::status "$root/status";
Dir::Cache::archives "$root/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF

apt=(apt-get -c "$root/apt.conf" -qq)
"${apt[@]}" update
(cd "$root/debs" && "${apt[@]}" download "$@")
for deb in "$root"/debs/*.deb; do dpkg-deb --extract "$deb" "$folder"; done
(cd "$root/debs" && ls *.deb)
