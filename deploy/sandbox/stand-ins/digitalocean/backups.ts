/**
 * Base backups of database servers, as a provider takes them daily: MySQL's clone plugin copies the data folder of a
 * running server at one instant. With the binary log from then on they give any second back.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { runCommand } from '../../command.ts';
import type { ServerFolders, ServerRuntime } from '../../components/mysql-root.ts';
import type { DatabasesFile, StoredBackup } from './clusters.ts';
import { asRoot } from './managed-database.ts';

/** A running server that can be copied. */
export interface SourceServer {
  clusterId: string;
  folders: ServerFolders;
  runtime: ServerRuntime;
}

export interface Backups {
  /** Copies the server now. One copy of a server at a time. */
  take(source: SourceServer): Promise<StoredBackup>;
  /** Takes one when there is none, the newest is older than a day, or much has been written since. */
  takeWhenDue(source: SourceServer): Promise<void>;
  /** Backups of a cluster, oldest first. */
  of(clusterId: string): Promise<StoredBackup[]>;
  /** Data folder of a backup. */
  folder(backup: StoredBackup): string;
  /** Removes all backups of a cluster. */
  removeAll(clusterId: string): Promise<void>;
}

const dayMs = 24 * 3600 * 1000;
/** DigitalOcean's number. */
const keptDays = 7;
/** With more log than this since the newest backup a restore would take long. */
const longLogBytes = 128 * 1024 * 1024;
/** The oldest one and so many of the newest: between them a restore only takes longer. */
const keptNewest = 4;

export const socketOf = (folders: ServerFolders): string => join(folders.run, 'mysqld.sock');

export function createBackups(home: string, file: DatabasesFile, now: () => Date): Backups {
  const underWay = new Map<string, Promise<StoredBackup>>();
  const folder = ({ id }: StoredBackup): string => join(home, id);

  async function copy({ clusterId, folders, runtime }: SourceServer): Promise<StoredBackup> {
    const id = randomUUID();
    // The server itself writes the copy, so it goes where the server may write, and then to its place.
    const draft = join(folders.temporary, `backup-${id}`);
    const seen = join(runtime.seen(folders).temporary, `backup-${id}`);
    try {
      const log = await asRoot(socketOf(folders), async (connection) => {
        const [plugins] = await connection.query<RowDataPacket[]>(
          "SELECT plugin_name FROM information_schema.plugins WHERE plugin_name = 'clone'",
        );
        if (plugins.length === 0) {
          await connection.query("INSTALL PLUGIN clone SONAME 'mysql_clone.so'");
        }
        const [rows] = await connection.query<RowDataPacket[]>('SHOW BINARY LOG STATUS');
        await connection.query('CLONE LOCAL DATA DIRECTORY = ?', [seen]);
        return { firstLog: String(rows[0]?.['File']), position: Number(rows[0]?.['Position']) };
      });
      const createdAt = now().toISOString();
      const { stdout } = await runCommand('du', ['-sb', draft]);
      const sizeBytes = Number.parseInt(stdout, 10);
      await mkdir(home, { recursive: true, mode: 0o700 });
      const backup = { id, clusterId, createdAt, sizeBytes, ...log };
      await rename(draft, folder(backup));
      await file.update((state) => void state.backups.push(backup));
      return backup;
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      throw error;
    }
  }

  async function of(clusterId: string): Promise<StoredBackup[]> {
    return (await file.read()).backups
      .filter((backup) => backup.clusterId === clusterId)
      .sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  }

  async function remove(gone: readonly StoredBackup[]): Promise<void> {
    if (gone.length === 0) return;
    const ids = new Set(gone.map(({ id }) => id));
    await file.update((state) => {
      state.backups = state.backups.filter(({ id }) => !ids.has(id));
    });
    for (const backup of gone) await rm(folder(backup), { recursive: true, force: true });
  }

  const take: Backups['take'] = (source) => {
    const running = underWay.get(source.clusterId);
    if (running) return running;
    const started = copy(source).finally(() => underWay.delete(source.clusterId));
    underWay.set(source.clusterId, started);
    return started;
  };

  return {
    take,
    of,
    folder,
    async takeWhenDue(source) {
      const before = await of(source.clusterId);
      const age = (backup: StoredBackup) => now().getTime() - Date.parse(backup.createdAt);
      const newest = before.at(-1);
      const due = !newest || age(newest) > dayMs || (await logSince(source, newest)) > longLogBytes;
      if (!due) return;
      await take(source);
      const kept = before.filter((backup) => age(backup) < keptDays * dayMs);
      const expired = before.filter((backup) => !kept.includes(backup));
      await remove([...expired, ...kept.slice(1, -keptNewest)]);
    },
    removeAll: async (clusterId) => remove(await of(clusterId)),
  };
}

/** How much the server has written to its log since a backup, roughly. */
async function logSince({ folders }: SourceServer, backup: StoredBackup): Promise<number> {
  const logs = await asRoot(socketOf(folders), binaryLogs);
  return logs
    .slice(
      Math.max(
        0,
        logs.findIndex(({ name }) => name === backup.firstLog),
      ),
    )
    .reduce((sum, { bytes }) => sum + bytes, -(backup.position ?? 0));
}

/** The server's binary logs, oldest first. */
export async function binaryLogs(
  connection: Connection,
): Promise<{ name: string; bytes: number }[]> {
  const [rows] = await connection.query<RowDataPacket[]>('SHOW BINARY LOGS');
  return rows.map((row) => ({ name: String(row['Log_name']), bytes: Number(row['File_size']) }));
}
