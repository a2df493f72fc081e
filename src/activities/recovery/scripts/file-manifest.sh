# Library: the manifest of trees, one line an entry, sorted by path: <hash>\t<mode octal>\t<uid>:<gid>\t<size>\t<path>.
# <hash> is the SHA-256 of a file, `folder`, or `link:` and the SHA-256 of a symbolic link's target; folders and links have
# size 0. In paths a backslash, a tab and a line feed are written \\, \t and \n, so that every entry is one line.

# A manifest is begun, trees are added to it, and it is ended: what costs is mostly the processes, so that many small folders are
# hashed as one.

# file_manifest_begin: forgets what was added before.
file_manifest_begin() { : > "$work/manifest.entries"; }

# file_manifest_add ROOT PREFIX [PATTERN...]: everything below the folder ROOT, each path with PREFIX before it (end it with a
# slash, or give ''). What matches a pattern of find's -path, relative to ROOT, is left out with all below it. Returns 1 when a
# folder could not be read, or vanished meanwhile; with VANISHING=yes those that vanish are left out.
file_manifest_add() {
  local root=${1//%/%%} prefix=${2//%/%%} pattern skipped=()
  # As parts of a format they have to mean themselves.
  root=${root//\\/\\\\}
  prefix=${prefix//\\/\\\\}
  for pattern in "${@:3}"; do skipped+=(-path "./$pattern" -prune -o); done
  # Three records an entry: what is known of it, where it is, and its path in the manifest.
  (cd "$1" && find . -mindepth 1 "${skipped[@]}" -type f,d,l -printf "%y\\t%m\\t%U:%G\\t%s\\t%l\\0$root/%P\\0$prefix%P\\0") \
    >> "$work/manifest.entries" 2> "$work/manifest.errors" \
    || { cat "$work/manifest.errors" >&2; vanished_alone "$work/manifest.errors"; }
}

# vanished_alone FILE: whether what find complains of is nothing but entries that vanished, and they may.
vanished_alone() { [ "${VANISHING:-no}" = yes ] && ! grep -qv ': No such file or directory$' "$1"; }

# file_manifest_end OUTPUT: writes the manifest of all that was added. Returns 1 as file_manifest_add does.
file_manifest_end() {
  local kind files=$work/manifest
  : > "$1"
  for kind in f d l; do
    sed -z -n "N; N; /^$kind/p" "$files.entries" > "$files.kind"
    [ -s "$files.kind" ] || continue
    sed -z -n '1~3p' "$files.kind" > "$files.facts"
    case $kind in
      f) sed -z -n '2~3p' "$files.kind" | hash_files > "$files.hashes" || return 1 ;;
      d) tr '\0' '\n' < "$files.facts" | sed 's/.*/folder/' > "$files.hashes" ;;
      l) hash_targets < "$files.facts" > "$files.hashes" ;;
    esac
    cut -z -f2-4 "$files.facts" | if [ $kind = f ]; then cat; else sed -z 's/[0-9]*$/0/'; fi | tr '\0' '\n' > "$files.columns"
    sed -z -n '3~3p' "$files.kind" | escape_paths > "$files.names"
    [ "$(wc -l < "$files.hashes")" = "$(wc -l < "$files.names")" ] || return 1
    paste "$files.hashes" "$files.columns" "$files.names" > "$files.lines"
    if grep -q '^vanished' "$files.lines"; then
      [ "${VANISHING:-no}" = yes ] || return 1
      sed -i '/^vanished/d' "$files.lines"
    fi
    cat "$files.lines" >> "$1"
  done
  file_manifest_sort "$1"
}

# file_manifest_sort FILE: sorts a manifest by path.
file_manifest_sort() { sort -t$'\t' -k5 -o "$1" "$1"; }

# manifest_digest FILE: `sha256:…` of it.
manifest_digest() { printf 'sha256:%s' "$(sha256sum "$1" | cut -c1-64)"; }

# manifest_files FILE: how many regular files it names. manifest_bytes FILE: their size together.
manifest_files() { awk -F'\t' '$1 !~ /^(folder$|link:)/ { n++ } END { printf "%d", n }' "$1"; }
manifest_bytes() { awk -F'\t' '$1 !~ /^(folder$|link:)/ { n += $4 } END { printf "%.0f", n }' "$1"; }

# hash_files: SHA-256 of every file whose NUL-terminated path it reads, one hexadecimal line each, in that order; `vanished` for
# one that is no more. Neighbours go together, to up to eight processes: small files that no memory holds yet are waited for
# longer than they take to be hashed. The size of each that is done is noted in $work/hashed.
hash_files() {
  local list=$work/hashing part parts status=0 pids=()
  rm -f "$list".*
  cat > "$list.all"
  # A process for each hundred, for it costs as much as to hash some.
  parts=$(($(tr -cd '\0' < "$list.all" | wc -c) / 100 + 1))
  split --separator='\0' --number="l/$((parts < 8 ? parts : 8))" "$list.all" "$list.part."
  for part in "$list".part.*; do
    hash_list < "$part" > "$part.hashes" &
    pids+=($!)
  done
  for part in "${pids[@]}"; do wait "$part" || status=1; done
  cat "$list".part.*.hashes
  return "$status"
}

# hash_list: as hash_files, by itself. As many files at once as the arguments of a command may be.
hash_list() {
  local some
  while mapfile -d '' -n 200 some && [ "${#some[@]}" -gt 0 ]; do hash_some "${some[@]}" || return 1; done
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
  stat --printf '%s\n' -- "$@" 2> /dev/null >> "$work/hashed" || true
}

# openssl uses the processor's own instructions and is several times faster than sha256sum.
hash_quickly() {
  if command -v openssl > /dev/null; then openssl dgst -sha256 -r "$@" | sed -E 's/^\\?(.{64}).*/\1/'
  else sha256sum -z -- "$@" | cut -z -c1-64 | tr '\0' '\n'; fi
}

hash_targets() {
  local kind mode owner size target
  while IFS=$'\t' read -r -d '' kind mode owner size target; do
    printf 'link:%s\n' "$(printf '%s' "$target" | sha256sum | cut -c1-64)"
  done
}

escape_paths() { sed -z 's/\\/\\\\/g; s/\t/\\t/g; s/\n/\\n/g' | tr '\0' '\n'; }
