# Library: the manifest of trees, one line an entry, sorted by path: <hash>\t<mode octal>\t<uid>:<gid>\t<size>\t<path>.
# <hash> is the SHA-256 of a file, `folder`, or `link:` and the SHA-256 of a symbolic link's target; folders and links have
# size 0. In paths a backslash, a tab and a line feed are written \\, \t and \n, so that every entry is one line.

# file_manifest ROOT PREFIX OUTPUT [PATTERN...]: appends everything below the folder ROOT to OUTPUT, each path with PREFIX
# before it (end it with a slash, or give ''). What matches a pattern of find's -path, relative to ROOT, is left out with all
# below it. Returns 1 when an entry could not be read, or vanished meanwhile; with VANISHING=yes those that vanish are left out.
file_manifest() {
  local root=$1 prefix=$2 output=$3 pattern kind files=$work/manifest
  shift 3
  local skipped=()
  for pattern in "$@"; do skipped+=(-path "./$pattern" -prune -o); done
  for kind in f d l; do
    (cd "$root" && find . -mindepth 1 "${skipped[@]}" -type "$kind" -printf '%m\t%U:%G\t%s\t%l\0%P\0') > "$files.entries" 2> "$files.errors" \
      || { cat "$files.errors" >&2; vanished_alone "$files.errors"; } || return 1
    # Two records an entry: what is known of it, and its path.
    sed -z -n '1~2p' "$files.entries" > "$files.facts"
    sed -z -n '2~2p' "$files.entries" > "$files.paths"
    case $kind in
      f) (cd "$root" && sed -z 's|^|./|' "$files.paths" | hash_files) > "$files.hashes" || return 1 ;;
      d) tr '\0' '\n' < "$files.facts" | sed 's/.*/folder/' > "$files.hashes" ;;
      l) hash_targets < "$files.facts" > "$files.hashes" ;;
    esac
    cut -z -f1-3 "$files.facts" | if [ $kind = f ]; then cat; else sed -z 's/[0-9]*$/0/'; fi | tr '\0' '\n' > "$files.columns"
    escape_paths < "$files.paths" | PREFIX=$prefix awk '{ print ENVIRON["PREFIX"] $0 }' > "$files.names"
    [ "$(wc -l < "$files.hashes")" = "$(wc -l < "$files.names")" ] || return 1
    paste "$files.hashes" "$files.columns" "$files.names" > "$files.lines"
    if grep -q '^vanished' "$files.lines"; then
      [ "${VANISHING:-no}" = yes ] || return 1
      sed -i '/^vanished/d' "$files.lines"
    fi
    cat "$files.lines" >> "$output"
  done
}

# vanished_alone FILE: whether what find complains of is nothing but entries that vanished, and they may.
vanished_alone() { [ "${VANISHING:-no}" = yes ] && ! grep -qv ': No such file or directory$' "$1"; }

# file_manifest_end OUTPUT: sorts the whole by path.
file_manifest_end() { sort -t$'\t' -k5 -o "$1" "$1"; }

# manifest_digest FILE: `sha256:…` of it.
manifest_digest() { printf 'sha256:%s' "$(sha256sum "$1" | cut -c1-64)"; }

# manifest_files FILE: how many regular files it names. manifest_bytes FILE: their size together.
manifest_files() { awk -F'\t' '$1 !~ /^(folder$|link:)/ { n++ } END { printf "%d", n }' "$1"; }
manifest_bytes() { awk -F'\t' '$1 !~ /^(folder$|link:)/ { n += $4 } END { printf "%.0f", n }' "$1"; }

# hash_files: SHA-256 of every file whose NUL-terminated path it reads, one hexadecimal line each, in that order; `vanished` for
# one that is no more. Neighbours go together, to eight processes: small files that no memory holds yet are waited for longer
# than they take to be hashed. How many files and bytes are done is noted in $work/hashed, a line for some files.
hash_files() {
  local list=$work/hashing part status=0 pids=()
  rm -f "$list".*
  cat > "$list.all"
  split --separator='\0' --number=l/8 "$list.all" "$list.part."
  for part in "$list".part.*; do
    HASHED=$work/hashed xargs -0 -r -n 200 bash -c 'hash_some "$@"' hash < "$part" > "$part.hashes" &
    pids+=($!)
  done
  for part in "${pids[@]}"; do wait "$part" || status=1; done
  cat "$list".part.*.hashes
  return "$status"
}

# hash_some FILE...: a line for each. Status 1 when one is there and cannot be read.
hash_some() {
  local file hashes
  hashes=$(hash_quickly "$@" 2> /dev/null)
  if [ "${#hashes}" -eq $(($# * 65 - 1)) ]; then
    printf '%s\n' "$hashes"
  else
    for file in "$@"; do
      hashes=$(hash_quickly "$file")
      if [ "${#hashes}" -eq 64 ]; then printf '%s\n' "$hashes"
      elif [ -e "$file" ]; then return 1
      else echo vanished; fi
    done
  fi
  stat --printf '%s\n' -- "$@" 2> /dev/null | awk '{ bytes += $1 } END { printf "%d %.0f\n", NR, bytes }' >> "$HASHED"
}

# openssl uses the processor's own instructions and is several times faster than sha256sum.
hash_quickly() {
  if command -v openssl > /dev/null; then openssl dgst -sha256 -r "$@" | sed 's/^\\//' | cut -c1-64
  else sha256sum -z -- "$@" | cut -z -c1-64 | tr '\0' '\n'; fi
}
export -f hash_some hash_quickly

hash_targets() {
  local mode owner size target
  while IFS=$'\t' read -r -d '' mode owner size target; do
    printf 'link:%s\n' "$(printf '%s' "$target" | sha256sum | cut -c1-64)"
  done
}

escape_paths() { sed -z 's/\\/\\\\/g; s/\t/\\t/g; s/\n/\\n/g' | tr '\0' '\n'; }
