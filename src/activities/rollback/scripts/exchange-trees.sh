# Puts restored trees in the place of the live ones by renames, or the other way round. Environment: VOLUME (where the claim
# is mounted), FOLDER (of the rollback, below it), MODE (note, switch or back). Input: exchange.pl, which does it, and
# trees.json [{path, staged, kept, mounted}], all below VOLUME. Result: {"trees": [{path, how, as, entries, milliseconds}]}.
#
# A tree that pods mount as such cannot be exchanged under them, for they keep the folder that they have mounted: of it everything
# that is in it is exchanged, entry by entry; unless it is gone, and pods have to be made anew to see another.
#
# Before the first exchange the inode of everything that was restored is written down; whichever path has it tells how far an
# interrupted attempt came. `note` does only that.
trees=/presslift/input/trees.json
folder=$VOLUME/$FOLDER
export INODES=$folder/inodes

# exchange_by ACTION: its lines on standard output.
exchange_by() {
  jq -j '.[] | .path, "\u0000", .staged, "\u0000", .kept, "\u0000", (.mounted | tostring), "\u0000"' "$trees" \
    | perl /presslift/input/exchange.pl "$1" 2> "$work/error" || fail PreconditionFailed "$(tail -n 1 "$work/error")"
}

if [ "$MODE" != back ] && [ ! -f "$INODES" ]; then
  exchange_by note > "$work/noted"
  # Nobody but root comes to trees that are out of use: what is in them must not be served.
  chmod 700 "$folder"
  mv -f "$work/noted" "$INODES.part"
  mv -f "$INODES.part" "$INODES"
  sync -f "$INODES"
fi
if [ "$MODE" = note ] || [ ! -f "$INODES" ]; then
  say '{"trees":[]}'
  exit 0
fi
exchange_by "$MODE" > "$work/exchanged"
sync -f "$folder"
say "$(jq -cRs --slurpfile trees "$trees" '{trees: [split("\n")[:-1] | to_entries[] | .key as $at | .value | split("\t")
  | {path: $trees[0][$at].path, how: .[0], as: .[1], entries: (.[2] | tonumber), milliseconds: (.[3] | tonumber)}]}' "$work/exchanged")"
