/**
 * What the init container `presslift-permissions` runs: makes the folders of the shared volume, gives them to www-data
 * only when they are somebody else's (a recursive chown of a large tree on NFS takes minutes, at every pod start), and
 * sees to their modes. Values come by environment.
 *
 * The uploads folder is on the old volume, whose files stay as they are: only an empty folder that the kubelet just made
 * for root is handed over.
 */
export const permissionsScript = `set -eu
for folder in $PRESSLIFT_FOLDERS; do
  path="$PRESSLIFT_SHARED/$folder"
  mkdir -p "$path"
  if [ "$PRESSLIFT_CHOWN" = yes ] && [ "$(stat -c %u "$path")" != "$PRESSLIFT_USER" ]; then
    chown -R "$PRESSLIFT_USER:$PRESSLIFT_USER" "$path"
    chmod -R u+rwX,go+rX "$path"
  fi
done
if [ "$PRESSLIFT_CHOWN" = yes ] && [ "$(stat -c %u "$PRESSLIFT_UPLOADS")" != "$PRESSLIFT_USER" ] \\
  && [ -z "$(ls -A "$PRESSLIFT_UPLOADS")" ]; then
  chown "$PRESSLIFT_USER:$PRESSLIFT_USER" "$PRESSLIFT_UPLOADS"
  chmod 755 "$PRESSLIFT_UPLOADS"
fi
`;
