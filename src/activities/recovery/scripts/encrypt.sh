# Library: what stands in a site's settings does not belong into a log, which is how it leaves a Job. encrypt: standard input
# with the key that the worker drew for this Job.
encrypt() {
  gzip -9 | openssl enc -aes-256-cbc -salt -pbkdf2 -iter 10000 -md sha256 -pass file:/presslift/secrets/key | base64 -w 0
}
