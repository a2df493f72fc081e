# Library: the manifest of trees, one line an entry, sorted by path: <hash>\t<mode octal>\t<uid>:<gid>\t<size>\t<path>.
# <hash> is the SHA-256 of a file, `folder`, or `link:` and the SHA-256 of a symbolic link's target; folders and links have
# size 0. In paths a backslash, a tab and a line feed are written \\, \t and \n, so that every entry is one line.

# hash_files: SHA-256 of every file whose NUL-terminated path it reads, one hexadecimal line each, in that order.
# openssl uses the processor's own instructions and is several times faster than sha256sum.
hash_files() {
  if command -v openssl > /dev/null; then
    xargs -0 -r openssl dgst -sha256 -r | sed 's/^\\//' | cut -c1-64
  else
    xargs -0 -r sha256sum -z -- | cut -z -c1-64 | tr '\0' '\n'
  fi
}

escape_paths() { sed -z 's/\\/\\\\/g; s/\t/\\t/g; s/\n/\\n/g' | tr '\0' '\n'; }

# file_manifest ROOT PREFIX OUTPUT [EXCLUDED...]: appends everything below the folder ROOT to OUTPUT, each path with PREFIX
# before it (end it with a slash, or give ''). EXCLUDED are paths below ROOT that are left out with all below them.
# Returns 1 when an entry vanished or could not be read meanwhile.
file_manifest() {
  local root=$1 prefix=$2 output=$3 path files=$work/manifest
  shift 3
  local prune=()
  for path in "$@"; do prune+=(-path "$root/$path" -prune -o); done
  find "$root" -mindepth 1 "${prune[@]}" -type f -printf '%m\t%U:%G\t%s\t%P\0' | sort -z -t$'\t' -k4 > "$files.entries" || return 1
  cut -z -f4- "$files.entries" | sed -z 's|^|./|' > "$files.paths" || return 1
  (cd "$root" && hash_files < "$files.paths") > "$files.hashes" || return 1
  cut -z -f1-3 "$files.entries" | tr '\0' '\n' > "$files.stats"
  cut -z -f4- "$files.entries" | escape_paths | PREFIX=$prefix awk '{ print ENVIRON["PREFIX"] $0 }' > "$files.names"
  [ "$(wc -l < "$files.hashes")" = "$(wc -l < "$files.names")" ] || return 1
  paste "$files.hashes" "$files.stats" "$files.names" >> "$output"

  find "$root" -mindepth 1 "${prune[@]}" -type d -printf '%m\t%U:%G\t0\t%P\0' > "$files.entries" || return 1
  manifest_rows "$prefix" "$files.entries" folder >> "$output"
  find "$root" -mindepth 1 "${prune[@]}" -type l -printf '%m\t%U:%G\t0\t%P\0' > "$files.entries" || return 1
  find "$root" -mindepth 1 "${prune[@]}" -type l -printf '%l\0' > "$files.targets" || return 1
  local target
  : > "$files.hashes"
  while IFS= read -r -d '' target; do
    printf 'link:%s\n' "$(printf '%s' "$target" | sha256sum | cut -c1-64)" >> "$files.hashes"
  done < "$files.targets"
  manifest_rows "$prefix" "$files.entries" '' | paste "$files.hashes" - | grep -v '^[[:space:]]*$' >> "$output" || true
}

# manifest_rows PREFIX ENTRIES WORD: lines of NUL-terminated "<mode>\t<owner>\t<size>\t<path>", WORD before them.
manifest_rows() {
  paste <(cut -z -f1-3 "$2" | tr '\0' '\n') <(cut -z -f4- "$2" | escape_paths) \
    | PREFIX=$1 WORD=$3 awk -F'\t' -v OFS='\t' '
      NF >= 4 { path = $4; for (i = 5; i <= NF; i++) path = path FS $i
        print (ENVIRON["WORD"] == "" ? "" : ENVIRON["WORD"] OFS) $1, $2, $3, ENVIRON["PREFIX"] path }'
}

# file_manifest_end OUTPUT: sorts the whole by path.
file_manifest_end() { sort -t$'\t' -k5 -o "$1" "$1"; }

# manifest_digest FILE: `sha256:…` of it.
manifest_digest() { printf 'sha256:%s' "$(sha256sum "$1" | cut -c1-64)"; }

# manifest_files FILE: how many regular files it names. manifest_bytes FILE: their size together.
manifest_files() { awk -F'\t' '$1 !~ /^(folder$|link:)/ { n++ } END { printf "%d", n }' "$1"; }
manifest_bytes() { awk -F'\t' '$1 !~ /^(folder$|link:)/ { n += $4 } END { printf "%.0f", n }' "$1"; }
