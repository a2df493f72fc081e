/** Brings a copy of a server's data on from the instant of the copy to a second after it, by the server's binary log. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
import { lastLines } from '../../command.ts';
import type { StoredBackup } from './clusters.ts';
import { ApiError } from './api-error.ts';
import type { SourceServer } from './backups.ts';
import { binaryLogs, socketOf } from './backups.ts';
import { binlogStatements, linesOf } from './binlog-statements.ts';
import { asRoot } from './managed-database.ts';

/**
 * Binary logs of the source that are complete and may hold what came after the backup, as the server's root sees them.
 * The log that is being written is closed first, so that it can be read to its end.
 * @throws ApiError when the log from then on is no longer there.
 */
export async function logsSince(source: SourceServer, backup: StoredBackup): Promise<string[]> {
  const names = await asRoot(socketOf(source.folders), async (connection) => {
    await connection.query('FLUSH BINARY LOGS');
    return (await binaryLogs(connection)).map(({ name }) => name);
  });
  const first = names.indexOf(backup.firstLog);
  if (first < 0) {
    throw new ApiError(422, 'unprocessable_entity', 'The log since that backup has expired.');
  }
  return names.slice(first, -1);
}

/**
 * Runs every transaction of the logs that the server does not have and that is older than `at`.
 *
 * @param position where reading begins in the first log
 * @param socket of the server that is brought on
 * @param at ISO 8601; transactions of that second and later are left out
 */
export async function replayLogs(
  source: SourceServer,
  { logs, position = 4 }: { logs: readonly string[]; position?: number },
  socket: string,
  at: string,
): Promise<void> {
  const { runtime, folders } = source;
  await asRoot(socket, async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT @@GLOBAL.gtid_executed AS done');
    const done = String(rows[0]?.['done'] ?? '').replaceAll(/\s/g, '');
    const { data } = runtime.seen(folders);
    const [command, args] = runtime.command(folders, '/usr/bin/mysqlbinlog', [
      // Of the first log; the others are read from their begin.
      ...[`--start-position=${position}`, `--stop-datetime=${inUtc(at)}`],
      ...(done === '' ? [] : [`--exclude-gtids=${done}`]),
      ...logs.map((name) => join(data, name)),
    ]);
    const child = spawn(command, args, { env: { ...process.env, TZ: 'UTC' } });
    const ended = once(child, 'close');
    const stderr: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    try {
      // One by one: after a BINLOG statement the server forgets what follows it in the same request.
      const statements = binlogStatements(linesOf(child.stdout));
      for await (const statement of statements) await connection.query(statement);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    const [status] = (await ended) as [number | null];
    if (status === 0) return;
    const said = lastLines(Buffer.concat(stderr).toString('utf8'), 5);
    throw new Error(`mysqlbinlog ended with ${status}: ${said}`);
  });
}

/** `2026-11-23 18:00:00`; mysqlbinlog runs in UTC. */
function inUtc(at: string): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
