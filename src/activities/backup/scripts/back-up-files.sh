# Copies content volumes into one restic snapshot, with a manifest of every file in it. Volumes are mounted read-only at
# /presslift/volumes/<claim>. Environment: POINT, SITE, SENTINEL (path of its file, '' for none), ATTEMPTS,
# MOST_UNSETTLED (how many files may change during the last of them). Input:
#   volumes.json [{claim, folders: [path], excluded: [path], live: bool}], paths in the volume's content, '' for its root;
#   trees.json {name: path}: folders that are digested by themselves, path as in the manifest;
#   settled.json {loose: [path], settled: [path]}: after the last attempt only what lies below a loose path and below no settled
#     one may have changed during it, paths as in the manifest;
#   objects.json: what else belongs to the point; cdn-rules.json.gz (base64), where there is one: the CDN's rules.
# All of it is written into the snapshot at /presslift/point.
volumes=/presslift/volumes
point=/presslift/point
mkdir -p "$point"
cp /presslift/input/objects.json "$point/objects.json"
# By itself and not among the objects: those leave a drill's Job as one argument of a command, which may not be long.
if [ -e /presslift/input/cdn-rules.json.gz ]; then
  base64 -d /presslift/input/cdn-rules.json.gz | gzip -d > "$point/cdn-rules.json"
fi

# Excluded folders stay, empty: pods mount some of them. Anything else is left out itself.
left_out() { literal "$2"; if [ -d "$1" ]; then printf '/*'; fi; }
: > "$work/exclude"
# What operations keep beside the content is no part of it, but for the sentinel.
printf '%s\n' '.presslift' '.presslift-[^s]*' '.presslift-s[^e]*' >> "$work/exclude"
declare -A folders excluded
live=no
claims=()
while IFS= read -r -d '' what && IFS= read -r -d '' value; do
  case $what in
    claim) claim=$value; claims+=("$claim") ;;
    live) if [ "$value" = true ]; then live=yes; fi ;;
    # One of the volume's folders may be excluded as a whole, or be missing.
    folder) if [ -d "$volumes/$claim/$value" ]; then folders[$claim]+="$value"$'\n'; fi ;;
    excluded)
      left_out "$volumes/$claim/$value" "$volumes/$claim/$value" >> "$work/exclude"
      echo >> "$work/exclude"
      excluded[$claim]+="$value"$'\n'
      ;;
  esac
done < <(jq -j '.[] | ["claim", .claim], ["live", .live], (.folders[] | ["folder", .]), (.excluded[] | ["excluded", .])
  | (.[] | tostring, "\u0000")' /presslift/input/volumes.json)

targets=("$point")
for claim in "${claims[@]}"; do
  [ -n "${folders[$claim]+set}" ] || continue
  while IFS= read -r path; do targets+=("$volumes/$claim${path:+/$path}"); done <<< "${folders[$claim]%$'\n'}"
done

# in_every_folder COMMAND: runs it as COMMAND root prefix excluded... for every folder that is copied.
in_every_folder() {
  local claim path inside
  for claim in "${claims[@]}"; do
    [ -n "${folders[$claim]+set}" ] || continue
    while IFS= read -r path; do
      local patterns=('.presslift' '*/.presslift' '.presslift-[!s]*' '*/.presslift-[!s]*' '.presslift-s[!e]*' '*/.presslift-s[!e]*')
      while IFS= read -r inside; do
        [ -n "$inside" ] || continue
        # As paths below the folder.
        if [ "$inside" = "$path" ]; then patterns+=('*')
        elif [ -z "$path" ] || [ "${inside#"$path"/}" != "$inside" ]; then
          patterns+=("$(left_out "$volumes/$claim/$inside" "${inside#"${path:+$path/}"}")")
        fi
      done <<< "${excluded[$claim]:-}"
      "$1" "$volumes/$claim${path:+/$path}" "$claim/${path:+$path/}" "${patterns[@]}" || return 1
    done <<< "${folders[$claim]%$'\n'}"
  done
}

# note_folders ROOT PREFIX: the folder and those that it is in, but not the volume itself.
note_folders() {
  local root=$1 path=${2%/}
  while [ "${path%/*}" != "$path" ]; do
    printf 'folder\t%s\t0\t%s\n' "$(stat --printf '%a\t%u:%g' "$root")" "$(printf '%s' "$path" | escape_paths)" >> "$work/folders"
    path=${path%/*}
    root=${root%/*}
  done
}

add_folder() { note_folders "$1" "$2"; file_manifest_add "$@"; }
write_manifest() {
  : > "$work/folders"
  file_manifest_begin
  in_every_folder add_folder && file_manifest_end "$point/files.tsv" || return 1
  sort -u "$work/folders" >> "$point/files.tsv"
  file_manifest_sort "$point/files.tsv"
}

# When each entry was changed last: what differs between two of these was changed in between. A line: <kind> <mode>
# <uid>:<gid> <size> <modified> <changed> <path>, the path below /presslift/volumes as in the manifest.
list_times() {
  local root=$1 prune=() pattern
  for pattern in "${@:3}"; do prune+=(-path "$root/$pattern" -prune -o); done
  find "$root" "${prune[@]}" -printf '%y %m %U:%G %s %T@ %C@ %p\0' | escape_paths | sed "s|$volumes/||" >> "$work/times"
}
times() {
  : > "$work/times"
  in_every_folder list_times || true
  sort "$work/times" > "$1"
}

copy() {
  restic_try backup --json --exclude-file "$work/exclude" --tag presslift --tag "site:$SITE" --tag "point:$POINT" \
    --tag kind:files "${targets[@]}"
}

# report_hashing LIST: how much of what is listed there is hashed, as progress, until it is ended.
report_hashing() {
  local total began=$SECONDS
  total=$(awk '$1 == "f" { files++; bytes += $4 } END { printf "%d %.0f", files, bytes }' "$1")
  while sleep 2; do
    progress_is_due $((SECONDS - began)) || continue
    awk -v total="$total" -v seconds=$((SECONDS - began)) '{ files++; bytes += $1 }
      END { split(total, of, " "); print files + 0, of[1], bytes + 0, of[2], seconds }' OFMT=%.0f CONVFMT=%.0f "$work/hashed" \
      | jq -Rc 'split(" ") | map(tonumber) | {progress: {files: .[0], totalFiles: .[1], bytes: .[2], totalBytes: .[3],
          secondsRemaining: (if .[2] > 0 then ([.[3] - .[2], 0] | max) * .[4] / .[2] | ceil else null end)}}' || true
  done
}

# paths_of: the paths of such a list. Of folders only whether they are there and whose counts: what is put into one changes its time.
paths_of() { sed -E 's/^d ([^ ]+ [^ ]+) [^ ]+ [^ ]+ [^ ]+ /d \1 - - - /' | sort; }

# note_unsettled BEFORE AFTER SNAPSHOT: writes into $work/unsettled, a path a line, what changed during a copy: what differs
# between the two lists, and what only one of manifest and snapshot has. Nothing vouches for these.
note_unsettled() {
  comm -3 <(paths_of < "$1") <(paths_of < "$2") | sed 's/^\t//' | cut -d' ' -f7- | sort -u > "$work/changed"
  restic_run ls --json "$3" > "$work/stored"
  jq -r --arg volumes "$volumes/" 'select(.struct_type == "node" and (.type == "file" or .type == "symlink"))
    | .path | select(startswith($volumes)) | ltrimstr($volumes)
    | gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n")' "$work/stored" | sort > "$work/stored.paths"
  awk -F'\t' '$1 != "folder" { print $5 }' "$point/files.tsv" | sort > "$work/manifest.paths"
  # What did not change has to be copied.
  comm -13 "$work/stored.paths" "$work/manifest.paths" | comm -23 - "$work/changed" > "$work/not-copied"
  { cat "$work/changed"; comm -3 "$work/stored.paths" "$work/manifest.paths" | sed 's/^\t//'; } | sort -u > "$work/unsettled"
}

# settled: of paths on standard input those that must not have changed during the copy.
settled() {
  LOOSE=$(jq -r '.loose[]' /presslift/input/settled.json) SETTLED=$(jq -r '.settled[]' /presslift/input/settled.json) awk '
    function below(list, path,   n, at, of) {
      n = split(list, of, "\n")
      for (at = 1; at <= n; at++) if (of[at] != "" && (path == of[at] || index(path, of[at] "/") == 1)) return 1
      return 0
    }
    !below(ENVIRON["LOOSE"], $0) || below(ENVIRON["SETTLED"], $0)'
}

: > "$work/unsettled"
few() { sed -n 1,5p | tr '\n' ' '; }
for ((attempt = 1; ; attempt++)); do
  last=no
  if [ "$live" = yes ] && [ "$attempt" -ge "$ATTEMPTS" ]; then last=yes; fi
  times "$work/before"
  : > "$work/hashed"
  whole=yes
  report_hashing "$work/before" &
  reporter=$!
  # What changes during the last attempt is looked at after it.
  VANISHING=$last
  run write_manifest || whole=no
  kill "$reporter" 2> /dev/null || true
  if [ "$whole" = yes ]; then
    status=0
    with_progress "$work/summary" copy || status=$?
    # 3: a file vanished or could not be read. Of a live volume that is a change; of a snapshot it is an error.
    if [ "$status" -eq 3 ] && [ "$live" = no ]; then
      fail BackupIncomplete "Files cannot be read: $(restic_words)"
    elif [ "$status" -eq 3 ]; then whole=$last
    elif [ "$status" -ne 0 ]; then restic_failed "$status"; fi
  elif [ "$live" = no ]; then
    fail BackupIncomplete "Files of the snapshot cannot be read"
  fi
  [ "$live" = yes ] || break
  times "$work/after"
  if [ "$whole" = yes ] && [ "$status" -eq 0 ] && cmp -s "$work/before" "$work/after"; then break; fi
  [ "$last" = yes ] || continue
  # A site that is busy at every hour would have no backup at all: what belongs together has to be of one moment, and of the
  # rest what changed is named.
  if [ "$whole" = no ]; then
    changed=$(comm -3 <(paths_of < "$work/before") <(paths_of < "$work/after") | sed 's/^\t//' | cut -d' ' -f7- | sort -u | few)
    fail BackupIncomplete "Files changed during each of $ATTEMPTS copies: ${changed:-some cannot be read}"
  fi
  note_unsettled "$work/before" "$work/after" "$(summary_of "$work/summary" | jq -r .snapshot_id)"
  if [ -s "$work/not-copied" ]; then fail BackupIncomplete "restic did not copy $(few < "$work/not-copied")"; fi
  settled < "$work/unsettled" > "$work/moved"
  if [ -s "$work/moved" ]; then fail BackupIncomplete "Files changed during each of $ATTEMPTS copies: $(few < "$work/moved")"; fi
  if [ "$(wc -l < "$work/unsettled")" -gt "$MOST_UNSETTLED" ]; then
    fail BackupIncomplete "$(wc -l < "$work/unsettled") files changed during the last of $ATTEMPTS copies: $(few < "$work/unsettled")"
  fi
  break
done

sentinel=null
if [ -n "$SENTINEL" ] && [ -f "$volumes/$SENTINEL" ]; then
  sentinel=$(jq -c '.nonce // null' "$volumes/$SENTINEL" 2> /dev/null || echo null)
fi

summary=$(summary_of "$work/summary")
files=$(manifest_files "$point/files.tsv")
# Those of the point itself, such as the manifest, are copied besides; links are not counted.
copied=$(($(jq .total_files_processed <<< "$summary") - $(find "$point" -type f | wc -l)))
if [ "$copied" -ne "$files" ] && [ ! -s "$work/unsettled" ]; then
  fail BackupIncomplete "restic copied $copied files and the manifest names $files"
fi

# tree_digest PATH: number, size and digest of the files below PATH, as the WordPress agent's tree-digest gives them.
tree_digest() {
  PREFIX=$1 awk -F'\t' 'index($5, ENVIRON["PREFIX"]) == 1 && $1 !~ /^(folder$|link:)/ {
    print $1 "  " substr($5, length(ENVIRON["PREFIX"]) + 1) > lines; n++; size += $4 }
    END { printf "%d %.0f\n", n, size }' lines="$work/lines" "$point/files.tsv"
}
: > "$work/trees"
while IFS=$'\t' read -r name path; do
  : > "$work/lines"
  read -r count size < <(tree_digest "$path/")
  printf '%s\t%s\t%s\tsha256:%s\n' "$name" "$count" "$size" "$(sort "$work/lines" | sha256sum | cut -c1-64)" >> "$work/trees"
done < <(jq -r 'to_entries[] | [.key, .value] | join("\t")' /presslift/input/trees.json)
trees=$(jq -Rsc 'split("\n")[:-1] | map(split("\t") | {(.[0]): {files: (.[1] | tonumber), bytes: (.[2] | tonumber), digest: .[3]}}) | add // {}' "$work/trees")

# A claim's name is a DNS label.
roots=$(cd "$volumes" && stat --printf '%n\t%a\t%u:%g\n' "${claims[@]}" \
  | jq -Rsc 'split("\n")[:-1] | map(split("\t") | {(.[0]): {mode: .[1], owner: .[2]}}) | add')

say "$(jq -cn --argjson summary "$summary" --argjson files "$files" --argjson bytes "$(manifest_bytes "$point/files.tsv")" \
  --arg manifest "$(manifest_digest "$point/files.tsv")" --argjson trees "$trees" --argjson attempts "$attempt" \
  --argjson unsettled "$(jq -Rc . "$work/unsettled" | jq -sc .)" \
  --argjson sentinel "$sentinel" --argjson roots "$roots" \
  '{snapshotId: $summary.snapshot_id, bytesAdded: ($summary.data_added_packed // $summary.data_added), $files, $bytes,
    manifestDigest: $manifest, $roots, $trees, $sentinel, $attempts, $unsettled}')"
