/** What `mysqlbinlog` prints, as statements that a server takes. */

/** Lines that end with a line feed and nothing else: a statement may hold any other character. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== '') yield rest;
}

/**
 * The statements of `mysqlbinlog`'s output, without the lines that are meant for the command line client (its delimiter,
 * its character set, comments).
 *
 * @param lines of the output, without their ends
 */
export async function* binlogStatements(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let end = ';';
  let statement: string[] = [];
  for await (const line of lines) {
    if (statement.length === 0) {
      if (line === '' || line.startsWith('#') || line.startsWith('/*!\\C ')) continue;
      const changed = /^DELIMITER (.+)$/.exec(line);
      if (changed) {
        end = changed[1]!;
        continue;
      }
    }
    if (!line.endsWith(end)) {
      statement.push(line);
      continue;
    }
    const text = [...statement, line.slice(0, -end.length)].join('\n');
    statement = [];
    if (text.trim() !== '') yield text;
  }
  if (statement.length > 0) {
    throw new Error(`mysqlbinlog's output ends inside a statement`);
  }
}
