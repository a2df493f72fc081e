# Library: failures of the database's clients.

# database_failed: ends the Job with the failure that the first words in $DUMP_STATE/error stand for.
database_failed() {
  local words
  # Before its sentence the client repeats the statement.
  words=$(grep -iE 'error|denied|lost|presslift' "$DUMP_STATE/error" | grep -vE '^(LOCK TABLES|SELECT|SET|START) ' | head -2 | tr '\n\t' '  ' | cut -c1-600)
  words=${words:-$(grep -v '^[[:space:]]*$' "$DUMP_STATE/error" | tail -1 | cut -c1-600)}
  case "$words" in
    *'ERROR 1045'* | *'error: 1045'* | *'Got error: 1045'*) fail Unauthorized "The database refuses the account: $words" ;;
    *'ERROR 1044'* | *'ERROR 1142'* | *'ERROR 1227'* | *'enied'* | *'nsufficient priv'* | *'nsufficent priv'*)
      fail Forbidden "The account may not do what a dump needs: $words" ;;
    *'ERROR 1049'*) fail NotFound "$words" ;;
    *'ertificate'* | *'erification'* | *'alidation'*) fail TlsRejected "The database's certificate is refused: $words" ;;
    *'ERROR 1205'* | *'stay locked'* | *'ERROR 2002'* | *'ERROR 2003'* | *'ERROR 2005'* | *'ERROR 2006'* | *'ERROR 2013'* \
      | *'error: 2002'* | *'error: 2003'* | *'Lost connection'* | *'gone away'* | *'ERROR 1040'* | *'ERROR 1053'* \
      | *'ERROR 2026'* | *'SSL error'* | *'rror: 2013'* | *'rror: 2006'* | *'ERROR 1317'* | *'interrupted'*)
      fail Unavailable "The database: $words" ;;
    *'definition has changed'* | *"doesn't exist"*) fail BackupIncomplete "Tables changed during the dump: $words" ;;
  esac
  fail BackupIncomplete "The dump ended early: $words"
}
