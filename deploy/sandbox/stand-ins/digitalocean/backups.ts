/**
 * Base backups of database servers, as a provider takes them daily: MySQL's clone plugin copies the data folder of a
 * running server at one instant. With the binary log from then on they give any second back.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RowDataPacket } from 'mysql2/promise';
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
  /** Takes one when the newest is older than a day, or there is none. */
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
      const firstLog = await asRoot(socketOf(folders), async (connection) => {
        const [plugins] = await connection.query<RowDataPacket[]>(
          "SELECT plugin_name FROM information_schema.plugins WHERE plugin_name = 'clone'",
        );
        if (plugins.length === 0) {
          await connection.query("INSTALL PLUGIN clone SONAME 'mysql_clone.so'");
        }
        const logs = await binaryLogs(connection);
        await connection.query('CLONE LOCAL DATA DIRECTORY = ?', [seen]);
        return logs.at(-1)!;
      });
      const createdAt = now().toISOString();
      const { stdout } = await runCommand('du', ['-sb', draft]);
      const sizeBytes = Number.parseInt(stdout, 10);
      await mkdir(home, { recursive: true, mode: 0o700 });
      const backup = { id, clusterId, createdAt, sizeBytes, firstLog };
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
      if (newest && age(newest) < dayMs) return;
      await take(source);
      await remove(before.filter((backup) => age(backup) > keptDays * dayMs));
    },
    removeAll: async (clusterId) => remove(await of(clusterId)),
  };
}

/** Names of the server's binary logs, oldest first. */
export async function binaryLogs(connection: {
  query: (sql: string) => Promise<unknown>;
}): Promise<string[]> {
  const [rows] = (await connection.query('SHOW BINARY LOGS')) as [{ Log_name: string }[]];
  return rows.map(({ Log_name: name }) => name);
}
