# Copies content volumes into one restic snapshot, with a manifest of every file in it. Volumes are mounted read-only at
# /presslift/volumes/<claim>. Environment: POINT, SITE, SENTINEL (path of its file, '' for none), ATTEMPTS. Input:
#   volumes.json [{claim, folders: [path], excluded: [path], live: bool}], paths in the volume's content, '' for its root;
#   trees.json {name: path}: folders that are digested by themselves, path as in the manifest;
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

# each FILTER: values of volumes.json that the filter gives, one after another with NUL at the end.
each() { jq -j "$1 | (., \"\\u0000\")" /presslift/input/volumes.json; }

# Characters that mean something in a pattern get a backslash.
literal() { printf '%s' "$1" | sed 's/[][*?\\]/\\&/g'; }

# Excluded folders stay, empty: pods mount some of them.
: > "$work/exclude"
# What operations keep beside the content is no part of it, but for the sentinel.
printf '%s\n' '.presslift' '.presslift-[^s]*' '.presslift-s[^e]*' >> "$work/exclude"
declare -A folders excluded
live=no
claims=()
while IFS= read -r -d '' claim; do
  claims+=("$claim")
  if [ "$(jq --arg claim "$claim" '.[] | select(.claim == $claim) | .live' /presslift/input/volumes.json)" = true ]; then live=yes; fi
  while IFS= read -r -d '' path; do
    # One of the volume's folders may be excluded as a whole, or be missing.
    if [ -d "$volumes/$claim/$path" ]; then folders[$claim]+="$path"$'\n'; fi
  done < <(each ".[] | select(.claim == \"$claim\") | .folders[]")
  while IFS= read -r -d '' path; do
    printf '%s/*\n' "$(literal "$volumes/$claim/$path")" >> "$work/exclude"
    excluded[$claim]+="$path"$'\n'
  done < <(each ".[] | select(.claim == \"$claim\") | .excluded[]")
done < <(each '.[].claim')

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
        if [ -z "$path" ]; then patterns+=("$(literal "$inside")/*")
        elif [ "$inside" = "$path" ]; then patterns+=('*')
        elif [ "${inside#"$path"/}" != "$inside" ]; then patterns+=("$(literal "${inside#"$path"/}")/*"); fi
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

write_manifest() { note_folders "$1" "$2"; file_manifest "$1" "$2" "$point/files.tsv" "${@:3}"; }

# When each entry was changed last: what differs between two of these was changed in between.
list_times() {
  local root=$1 prune=() pattern
  for pattern in "${@:3}"; do prune+=(-path "$root/$pattern" -prune -o); done
  find "$root" "${prune[@]}" -printf "%p\t%s\t%T@\t%C@\n" >> "$work/times"
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

for ((attempt = 1; ; attempt++)); do
  if [ "$live" = yes ]; then times "$work/before"; fi
  : > "$point/files.tsv"
  : > "$work/folders"
  whole=yes
  run in_every_folder write_manifest || whole=no
  sort -u "$work/folders" >> "$point/files.tsv"
  file_manifest_end "$point/files.tsv"
  if [ "$whole" = yes ]; then
    status=0
    with_progress "$work/summary" copy || status=$?
    # 3: a file vanished or could not be read. Of a live volume that is a change; of a snapshot it is an error.
    if [ "$status" -eq 3 ] && [ "$live" = no ]; then
      fail BackupIncomplete "Files cannot be read: $(restic_words)"
    elif [ "$status" -eq 3 ]; then whole=no
    elif [ "$status" -ne 0 ]; then restic_failed "$status"; fi
  elif [ "$live" = no ]; then
    fail BackupIncomplete "Files of the snapshot cannot be read"
  fi
  [ "$live" = yes ] || break
  times "$work/after"
  if [ "$whole" = yes ] && cmp -s "$work/before" "$work/after"; then break; fi
  if [ "$attempt" -ge "$ATTEMPTS" ]; then
    changed=$(comm -3 "$work/before" "$work/after" | sed 's/^\t//' | cut -f1 | sed "s|^$volumes/||" | sort -u | head -5 | tr '\n' ' ')
    fail BackupIncomplete "Files changed during each of $ATTEMPTS copies: ${changed:-some cannot be read}"
  fi
done

sentinel=null
if [ -n "$SENTINEL" ] && [ -f "$volumes/$SENTINEL" ]; then
  sentinel=$(jq -c '.nonce // null' "$volumes/$SENTINEL" 2> /dev/null || echo null)
fi

summary=$(summary_of "$work/summary")
files=$(manifest_files "$point/files.tsv")
# Those of the point itself, such as the manifest, are copied besides; links are not counted.
copied=$(($(jq .total_files_processed <<< "$summary") - $(find "$point" -type f | wc -l)))
if [ "$copied" -ne "$files" ]; then
  fail BackupIncomplete "restic copied $copied files and the manifest names $files"
fi

# tree_digest PATH: number, size and digest of the files below PATH, as the WordPress agent's tree-digest gives them.
tree_digest() {
  PREFIX=$1 awk -F'\t' 'index($5, ENVIRON["PREFIX"]) == 1 && $1 !~ /^(folder$|link:)/ {
    print $1 "  " substr($5, length(ENVIRON["PREFIX"]) + 1) > lines; n++; size += $4 }
    END { printf "%d %.0f\n", n, size }' lines="$work/lines" "$point/files.tsv"
}
trees='{}'
while IFS= read -r -d '' name; do
  path=$(jq -r --arg name "$name" '.[$name]' /presslift/input/trees.json)
  : > "$work/lines"
  read -r count size < <(tree_digest "$path/")
  trees=$(jq -c --arg name "$name" --arg digest "sha256:$(sort "$work/lines" | sha256sum | cut -c1-64)" \
    --argjson files "${count:-0}" --argjson bytes "${size:-0}" '.[$name] = {$files, $bytes, $digest}' <<< "$trees")
done < <(jq -j 'keys[] | (., "\u0000")' /presslift/input/trees.json)

roots='{}'
for claim in "${claims[@]}"; do
  roots=$(jq -c --arg claim "$claim" --arg mode "$(stat --printf %a "$volumes/$claim")" \
    --arg owner "$(stat --printf %u:%g "$volumes/$claim")" '.[$claim] = {$mode, $owner}' <<< "$roots")
done

say "$(jq -cn --argjson summary "$summary" --argjson files "$files" --argjson bytes "$(manifest_bytes "$point/files.tsv")" \
  --arg manifest "$(manifest_digest "$point/files.tsv")" --argjson trees "$trees" --argjson attempts "$attempt" \
  --argjson sentinel "$sentinel" --argjson roots "$roots" \
  '{snapshotId: $summary.snapshot_id, bytesAdded: ($summary.data_added_packed // $summary.data_added), $files, $bytes,
    manifestDigest: $manifest, $roots, $trees, $sentinel, $attempts}')"
