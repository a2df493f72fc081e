# Prints the Kubernetes objects of a recovery point, encrypted. Environment: SNAPSHOT (restic's id of the files). Secret: key.
restic_run dump "$SNAPSHOT" /presslift/point/objects.json > "$work/objects.json"
jq -cn --arg objects "$(encrypt < "$work/objects.json")" '{$objects}'
