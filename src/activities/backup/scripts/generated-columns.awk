# Makes a dump that MySQL takes of one that MariaDB's client wrote: generated columns have DEFAULT as value. mariadb-dump writes
# what they hold, which MariaDB passes over and MySQL refuses (ERROR 3105). All else stays as it is.

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
