# Prints the Kubernetes objects of a recovery point, encrypted with a key that the worker drew for this Job: a log is no place
# for what stands in a site's settings. Environment: SNAPSHOT (restic's id of the files).
restic_run dump "$SNAPSHOT" /presslift/point/objects.json > "$work/objects.json"
gzip -9 < "$work/objects.json" \
  | openssl enc -aes-256-cbc -salt -pbkdf2 -iter 10000 -md sha256 -pass file:/presslift/secrets/key > "$work/objects.enc"
jq -cn --arg objects "$(base64 -w 0 "$work/objects.enc")" '{$objects}'
