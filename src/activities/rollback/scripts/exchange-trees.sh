# Puts restored trees in the place of the live ones by renames, or the other way round. Environment: VOLUME (where the claim
# is mounted), FOLDER (of the rollback, below it), MODE (note, switch or back). Input: trees.json [{path, staged, kept}], all
# below VOLUME. Result: {"trees": [{path, how, milliseconds}]}.
#
# Before the first exchange the inode of every restored tree is written down; whichever path has it tells how far an
# interrupted attempt came. `note` does only that. With renameat2(RENAME_EXCHANGE) both names change in one step. File systems without it (NFS) get two renames, and
# between them, for well under a millisecond, the name is not there.
trees=/presslift/input/trees.json
folder=$VOLUME/$FOLDER
inodes=$folder/inodes.json
count=$(jq length "$trees")

inode() { if [ -e "$1" ]; then stat -c %i "$1"; else printf none; fi; }
# A folder that a pod's start made meanwhile has nothing in it.
is_empty() { [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; }

# exchange A B: one step, or status 1 where the file system or the kernel cannot.
exchange() {
  perl -e '
    my %number = ("x86_64" => 316, "aarch64" => 276);
    my $call = $number{(split " ", `uname -m`)[0]} or exit 1;
    my ($at, $exchange) = (-100, 2);
    exit(syscall($call, $at, $ARGV[0], $at, $ARGV[1], $exchange) == 0 ? 0 : 1);
  ' "$1" "$2"
}

milliseconds() { printf '%d' $(($(date +%s%N) / 1000000)); }

if [ "$MODE" != back ] && [ ! -f "$inodes" ]; then
  noted='{}'
  for ((at = 0; at < count; at++)); do
    staged=$VOLUME/$(jq -r ".[$at].staged" "$trees")
    [ -d "$staged" ] || fail PreconditionFailed "There is no restored tree in $FOLDER"
    noted=$(jq -c --arg path "$(jq -r ".[$at].path" "$trees")" --arg inode "$(inode "$staged")" '.[$path] = $inode' <<< "$noted")
  done
  # Nobody but root comes to trees that are out of use: what is in them must not be served.
  chmod 700 "$folder"
  printf '%s' "$noted" > "$inodes.part"
  mv -f "$inodes.part" "$inodes"
  sync -f "$inodes"
fi
if [ "$MODE" = note ] || [ ! -f "$inodes" ]; then
  say '{"trees":[]}'
  exit 0
fi

result='[]'
for ((at = 0; at < count; at++)); do
  path=$(jq -r ".[$at].path" "$trees")
  live=$VOLUME/$path
  staged=$VOLUME/$(jq -r ".[$at].staged" "$trees")
  kept=$VOLUME/$(jq -r ".[$at].kept" "$trees")
  restored=$(jq -r --arg path "$path" '.[$path] // "unknown"' "$inodes")
  started=$(milliseconds)
  mkdir -p "$(dirname "$kept")" "$(dirname "$staged")"
  how=done-before
  if [ "$MODE" = switch ]; then
    if [ "$(inode "$live")" != "$restored" ]; then
      [ "$(inode "$staged")" = "$restored" ] || fail PreconditionFailed "Neither $path nor its restored tree is what was restored"
      if [ ! -e "$live" ]; then
        how=one-rename
        mv -T "$staged" "$live"
      elif is_empty "$live" && [ -e "$kept" ]; then
        # The live tree was kept already, and a pod that started made the folder anew.
        how=one-rename
        mv -T "$staged" "$live"
      elif [ ! -e "$kept" ] && exchange "$live" "$staged"; then
        how=exchange
      else
        [ ! -e "$kept" ] || fail PreconditionFailed "$path came back after it was kept"
        how=two-renames
        mv -T "$live" "$kept"
        mv -T "$staged" "$live"
      fi
    fi
    # After an exchange the old tree stands where the restored one was.
    if [ -e "$staged" ] && [ ! -e "$kept" ]; then mv -T "$staged" "$kept"; fi
  elif [ "$(inode "$live")" = "$restored" ]; then
    if [ ! -e "$kept" ]; then
      # There was no tree before.
      how=one-rename
      mv -T "$live" "$staged"
    elif exchange "$live" "$kept"; then
      how=exchange
      mv -T "$kept" "$staged"
    else
      how=two-renames
      mv -T "$live" "$staged"
      mv -T "$kept" "$live"
    fi
  elif [ "$(inode "$kept")" = "$restored" ]; then
    # Interrupted after the exchange.
    mv -T "$kept" "$staged"
  elif [ "$(inode "$staged")" = "$restored" ] && [ -e "$kept" ] && { [ ! -e "$live" ] || is_empty "$live"; }; then
    # Interrupted between two renames, in either direction.
    how=one-rename
    mv -T "$kept" "$live"
  fi
  result=$(jq -c --arg path "$path" --arg how "$how" --argjson milliseconds $(($(milliseconds) - started)) \
    '. + [{$path, $how, $milliseconds}]' <<< "$result")
done
sync -f "$folder"
say "$(jq -c '{trees: .}' <<< "$result")"
