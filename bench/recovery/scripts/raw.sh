# What a person would type: restic and the database's client tools, nothing around them. TASK says which.
set -euo pipefail
client=--defaults-extra-file=/secrets/client.cnf
case "$TASK" in
  init) restic init --quiet ;;
  'back up files') restic backup --quiet --host bench /data ;;
  'back up database')
    restic backup --quiet --host bench --stdin-filename database.sql --stdin-from-command -- \
      mariadb-dump $client --single-transaction --routines --triggers --events --hex-blob "$SCHEMA"
    ;;
  'restore files') restic restore latest --quiet --path /data --target /restored/raw ;;
  'restore database')
    restic dump --quiet --path /database.sql latest /database.sql | mariadb $client "$SCHEMA"
    ;;
  empty) find /restored -mindepth 1 -delete ;;
  count) find "/restored/$FOLDER" -type f | wc -l ;;
esac
