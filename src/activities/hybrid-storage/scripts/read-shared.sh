# Reads the shared volume ($NEW): digests of plugins and themes, and which files of the manifest are missing.
# The result is one JSON document in the termination message; at most 20 paths, the counts are whole.
set -euo pipefail
export LC_ALL=C
work=$(mktemp -d)
list() {
  (cd "$1" && find . -type f -printf '%P\0' | sort -z | xargs -0 -r sha256sum -z --) | sort -z > "$2"
}
count() { tr -cd '\0' < "$1" | wc -c; }
digest() { tr '\0' '\n' < "$1" | sha256sum | cut -d' ' -f1; }
size() { find "$1" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }'; }
quoted() { tr '\0' '\n' < "$1" | head -20 | sed 's/\\/\\\\/g; s/"/\\"/g; s/[[:cntrl:]]/?/g; s/.*/"&"/' | paste -sd, -; }

json=''
: > "$work/present"
for folder in plugins themes; do
  mkdir -p "$work/empty"
  tree="$NEW/$folder"
  [ -d "$tree" ] || tree="$work/empty"
  list "$tree" "$work/list"
  cut -z -c67- "$work/list" | sed -z "s|^|$folder/|" >> "$work/present"
  json="$json\"$folder\":{\"files\":$(count "$work/list"),\"bytes\":$(size "$tree"),\"digest\":\"sha256:$(digest "$work/list")\"},"
done
sort -z -o "$work/present" "$work/present"

manifest="$NEW/.presslift/manifest"
if [ -f "$manifest" ]; then
  cut -z -c67- "$manifest" | sort -z > "$work/expected"
  comm -z -23 "$work/expected" "$work/present" > "$work/missing"
  # Whole plugins or themes that are gone were deleted by somebody; single files that are gone were lost.
  : > "$work/lost"
  : > "$work/deleted"
  while IFS= read -r -d '' path; do
    extension=$(cut -d/ -f1-2 <<< "$path")
    if [ -e "$NEW/$extension" ]; then printf '%s\0' "$path" >> "$work/lost"; else printf '%s\0' "$extension" >> "$work/deleted"; fi
  done < "$work/missing"
  sort -z -u -o "$work/deleted" "$work/deleted"
  json="$json\"manifest\":{\"files\":$(count "$work/expected"),\"missing\":$(count "$work/missing"),\"lost\":$(count "$work/lost"),\"lostPaths\":[$(quoted "$work/lost")],\"deleted\":[$(quoted "$work/deleted")]}"
else
  json="$json\"manifest\":null"
fi
printf '{%s}' "$json" > /dev/termination-log
cat /dev/termination-log
