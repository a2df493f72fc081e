# Library: failures of the MariaDB client, and dumps that MySQL takes.

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

# with_generated_columns: a dump on standard input in which generated columns have DEFAULT as value. mariadb-dump writes what
# they hold, which MariaDB passes over and MySQL refuses (ERROR 3105). All else stays as it is, and so does a dump that has
# been through this.
with_generated_columns() {
  awk '
    # tuples LINE: LINE with DEFAULT in the places of generated columns. A value ends at a comma or a closing parenthesis
    # outside of quotes; in quotes a backslash takes the next character along.
    function tuples(line,   out, at, start, column, quoted, c, length_) {
      out = ""; column = 0; quoted = 0; start = 1; length_ = length(line)
      for (at = 1; at <= length_; at++) {
        c = substr(line, at, 1)
        if (quoted) {
          if (c == "\\") at++
          else if (c == "\047") quoted = 0
        } else if (c == "\047") quoted = 1
        else if (c == "(" && column == 0) { out = out substr(line, start, at - start + 1); start = at + 1; column = 1 }
        else if (column > 0 && (c == "," || c == ")")) {
          out = out (column in generated ? "DEFAULT" : substr(line, start, at - start)) c
          start = at + 1
          column = c == ")" ? 0 : column + 1
        }
      }
      return out substr(line, start)
    }
    /^CREATE TABLE `/ { delete generated; some = 0; columns = 0; defining = 1 }
    defining && /^  `/ {
      columns++
      definition = $0
      gsub(/\047([^\047\\]|\047\047|\\.)*\047/, "", definition)
      if (definition ~ / GENERATED ALWAYS AS \(/) { generated[columns] = 1; some = 1 }
    }
    /^\)/ { defining = 0 }
    /^INSERT INTO `/ && some {
      inserting = 1
      # What stands before the rows holds no parenthesis that counts, whatever the table is called.
      match($0, /^INSERT INTO `([^`]|``)*`( \([^)]*\))? VALUES/)
      head = substr($0, 1, RLENGTH)
      rows = substr($0, RLENGTH + 1)
      print head tuples(rows)
      if (rows ~ /;$/) inserting = 0
      next
    }
    inserting { print tuples($0); if ($0 ~ /;$/) inserting = 0; next }
    { print }
  '
}
