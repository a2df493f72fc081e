# Makes plugins and themes on the shared volume ($NEW) equal to those of the old document root ($OLD, read-only),
# compares every file by its hash, and writes the manifest. Run again it repairs what differs and repeats nothing else.
# The result is one JSON document in the termination message. Environment: OLD, NEW, OWNER (uid), CHOWN (yes or no).
set -euo pipefail
export LC_ALL=C
work=$(mktemp -d)
mkdir -p "$NEW/.presslift"

# NUL-terminated "<sha256>  <path>" of every regular file below a folder, sorted by the whole line.
list() {
  (cd "$1" && find . -type f -printf '%P\0' | sort -z | xargs -0 -r sha256sum -z --) | sort -z > "$2"
}
links() { (cd "$1" && find . -type l -printf '%P -> %l\0' | sort -z) > "$2"; }
folders() { (cd "$1" && find . -mindepth 1 -type d -printf '%P\0' | sort -z) > "$2"; }
count() { tr -cd '\0' < "$1" | wc -c; }
digest() { tr '\0' '\n' < "$1" | sha256sum | cut -d' ' -f1; }
size() { find "$1" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }'; }

: > "$work/manifest"
json=''
for folder in plugins themes; do
  from="$OLD/wp-content/$folder"
  to="$NEW/$folder"
  mkdir -p "$to"
  if [ ! -d "$from" ]; then mkdir -p "$work/empty"; from="$work/empty"; fi

  list "$from" "$work/old"
  list "$to" "$work/new"
  # Files that are missing or different there, each put in place by a rename, so that no reader sees half of one.
  comm -z -23 "$work/old" "$work/new" > "$work/differ"
  copied=0
  while IFS= read -r -d '' line; do
    path=${line:66}
    mkdir -p "$(dirname "$to/$path")"
    if [ -d "$to/$path" ] && [ ! -L "$to/$path" ]; then rm -r "${to:?}/$path"; fi
    cp -p "$from/$path" "$to/$path.presslift-copy"
    mv -f "$to/$path.presslift-copy" "$to/$path"
    copied=$((copied + 1))
  done < "$work/differ"

  # What the old side does not have: files of an earlier copy that were deleted since.
  list "$to" "$work/new"
  cut -z -c67- "$work/old" | sort -z > "$work/old-paths"
  cut -z -c67- "$work/new" | sort -z > "$work/new-paths"
  removed=0
  while IFS= read -r -d '' path; do
    rm -f "$to/$path"
    removed=$((removed + 1))
  done < <(comm -z -13 "$work/old-paths" "$work/new-paths")

  links "$from" "$work/old-links"
  links "$to" "$work/new-links"
  while IFS= read -r -d '' line; do rm -f "$to/${line%% -> *}"; done \
    < <(comm -z -13 "$work/old-links" "$work/new-links")
  while IFS= read -r -d '' line; do
    path=${line%% -> *}
    mkdir -p "$(dirname "$to/$path")"
    cp -P -p "$from/$path" "$to/$path"
  done < <(comm -z -23 "$work/old-links" "$work/new-links")

  folders "$from" "$work/old-folders"
  folders "$to" "$work/new-folders"
  while IFS= read -r -d '' path; do mkdir -p "$to/$path"; done \
    < <(comm -z -23 "$work/old-folders" "$work/new-folders")
  while IFS= read -r -d '' path; do rmdir "$to/$path" 2> /dev/null || true; done \
    < <(comm -z -13 "$work/old-folders" "$work/new-folders" | sort -z -r)

  if [ "$CHOWN" = yes ]; then chown -R -h "$OWNER:$OWNER" "$to"; fi
  chmod -R u+rwX,go+rX "$to"

  list "$from" "$work/old"
  list "$to" "$work/new"
  links "$from" "$work/old-links"
  links "$to" "$work/new-links"
  if ! cmp -s "$work/old" "$work/new" || ! cmp -s "$work/old-links" "$work/new-links"; then
    comm -z -3 "$work/old" "$work/new" | tr '\0' '\n' | head -5 >&2
    printf '{"error":"%s differ after the copy: files changed meanwhile"}' "$folder" > /dev/termination-log
    exit 1
  fi
  while IFS= read -r -d '' line; do
    printf '%s  %s/%s\0' "${line:0:64}" "$folder" "${line:66}"
  done < "$work/new" >> "$work/manifest"
  json="$json\"$folder\":{\"files\":$(count "$work/new"),\"bytes\":$(size "$to"),\"digest\":\"sha256:$(digest "$work/new")\",\"links\":$(count "$work/new-links"),\"copied\":$copied,\"removed\":$removed},"
done

sort -z "$work/manifest" > "$NEW/.presslift/manifest.part"
mv -f "$NEW/.presslift/manifest.part" "$NEW/.presslift/manifest"
sync -f "$NEW/.presslift/manifest"
printf '{%s"manifest":{"files":%d,"digest":"sha256:%s"}}' "$json" \
  "$(count "$NEW/.presslift/manifest")" "$(digest "$NEW/.presslift/manifest")" > /dev/termination-log
cat /dev/termination-log
