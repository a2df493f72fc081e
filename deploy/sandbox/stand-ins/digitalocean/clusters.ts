/** What the stand-in keeps of its database clusters. */
import { randomUUID } from 'node:crypto';
import type { JsonFile } from '../json-file.ts';
import { ApiError, notFound } from './api-error.ts';

/** A trusted source. */
export interface FirewallRule {
  uuid: string;
  type: 'droplet' | 'k8s' | 'ip_addr' | 'tag' | 'app';
  value: string;
  description?: string;
  /** ISO 8601. */
  created_at: string;
}

/** A cluster that was restored from another one's backup. */
export interface ForkState {
  sourceId: string;
  /** ISO 8601 to the second: without the transactions of that second and later. Null: as of the backup. */
  at: string | null;
  /** The base backup that it began as. */
  backupId: string;
  state: 'creating' | 'online';
}

export interface StoredCluster {
  id: string;
  name: string;
  region: string;
  size: string;
  nodes: number;
  storageMib: number;
  privateNetwork: string;
  projectId: string;
  tags: string[];
  /** ISO 8601. */
  createdAt: string;
  host: string;
  /** Its name in the private network: another one, at the same server and port. */
  privateHost: string;
  port: number;
  rules: FirewallRule[];
  /** Passwords that the API shows, by user. */
  passwords: Record<string, string>;
  /** Null for the sandbox's own server. */
  fork: ForkState | null;
}

/** A copy of a server's data folder at one instant. */
export interface StoredBackup {
  id: string;
  clusterId: string;
  /** ISO 8601; no transaction in it was committed later. */
  createdAt: string;
  sizeBytes: number;
  /** The oldest binary log that may hold a transaction that is not in it. */
  firstLog: string;
  /** Where in that log such a transaction can begin at the earliest; absent: at its begin. */
  position?: number;
}

export interface DatabasesState {
  clusters: StoredCluster[];
  backups: StoredBackup[];
}

export type DatabasesFile = JsonFile<DatabasesState>;

export function findCluster(state: Readonly<DatabasesState>, id: string | undefined) {
  const cluster = state.clusters.find((each) => each.id === id);
  if (!cluster) throw notFound();
  return cluster;
}

/** At most this many trusted sources; DigitalOcean's number. */
const mostRules = 100;

/**
 * Trusted sources as they are kept, from what a request says.
 * @throws ApiError for an IPv6 address, anything that is no address where one is due, and too many of them.
 */
export function keptRules(given: readonly Partial<FirewallRule>[], now: Date): FirewallRule[] {
  if (given.length > mostRules) {
    throw new ApiError(422, 'unprocessable_entity', `at most ${mostRules} rules are allowed.`);
  }
  return given.map(({ uuid, type, value = '', description }) => {
    if (type === 'ip_addr' && !isIpv4(value)) {
      throw new ApiError(422, 'unprocessable_entity', `${value} is not a valid IPv4 address.`);
    }
    return {
      ...{ uuid: uuid || randomUUID(), type: type!, value, created_at: now.toISOString() },
      ...(description === undefined ? {} : { description }),
    };
  });
}

/** An IPv4 address or a network of them. */
function isIpv4(text: string): boolean {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (!parts) return false;
  const bytes = parts.slice(1, 5).map(Number);
  return bytes.every((byte) => byte <= 255) && Number(parts[5] ?? 32) <= 32;
}
