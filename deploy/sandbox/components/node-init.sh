#!/bin/bash
# First process of the node's own mount and pid namespaces. When it ends, the kernel ends everything else in them, and
# every mount made there goes with it.
# Arguments: folders that programs of the node use under fixed names; each becomes the node's own and starts empty, as
# after a boot.
set -e
# Mounts that one program of the node makes must show to the others; none of them show outside (see unshare --propagation).
mount --make-rshared /
for folder in "$@"; do
  mkdir -p "$folder"
  mount -t tmpfs -o mode=755 presslift-node "$folder"
  mount --make-shared "$folder"
done
echo 'the node is there'
trap 'exit 0' TERM
# As the first process it inherits orphans; bash reaps them while it waits.
sleep infinity &
while :; do wait || true; done
