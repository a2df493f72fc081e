# Library: failures of the MariaDB client.

# mysql_failed FILE: ends the Job with the failure that its standard error stands for. Only number and place are told: the
# server's sentences quote rows.
mysql_failed() {
  local what
  what=$(grep -oE 'ERROR [0-9]+( \([0-9A-Z]+\))?( at line [0-9]+)?' "$1" | head -n 1 || true)
  case "$what" in
    'ERROR 1045'*) fail Unauthorized "The database denies the account ($what)" ;;
    'ERROR 1044'* | 'ERROR 1142'* | 'ERROR 1143'* | 'ERROR 1227'* | 'ERROR 1370'* | 'ERROR 1419'* | 'ERROR 4185'*)
      fail Forbidden "The account lacks a privilege that this needs ($what)" ;;
    'ERROR 1049'*) fail NotFound "There is no such database ($what)" ;;
    'ERROR 1114'* | 'ERROR 1021'* | 'ERROR 1041'*) fail NoSpace "The database is full ($what)" ;;
    'ERROR 2026'*) fail TlsRejected "The database's certificate is refused ($what)" ;;
    'ERROR 20'* | 'ERROR 1040'* | 'ERROR 1053'* | 'ERROR 1158'* | 'ERROR 1159'* | 'ERROR 1160'* | 'ERROR 1161'* | 'ERROR 1205'* | 'ERROR 1213'*)
      fail Unavailable "The connection to the database broke ($what)" ;;
    '') fail JobFailed "The database's client ended without a reason" ;;
    *) fail RestoreDiffers "The database does not take the dump ($what)" ;;
  esac
}
