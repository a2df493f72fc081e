import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FetchRequestAdapter } from '@microsoft/kiota-http-fetchlibrary';
import { afterEach, beforeEach, expect } from 'vitest';
import type {
  DatabasesState,
  StoredBackup,
  StoredCluster,
} from '../../deploy/sandbox/stand-ins/digitalocean/clusters.ts';
import { databaseHandlers } from '../../deploy/sandbox/stand-ins/digitalocean/databases.ts';
import type { DatabaseFacts } from '../../deploy/sandbox/stand-ins/digitalocean/managed-database.ts';
import type { Nfs, NfsState } from '../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import { createNfs } from '../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import type { Handlers, StandIn } from '../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { createStandIn } from '../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import type { Grant } from '../../deploy/sandbox/stand-ins/digitalocean/spaces-accounts.ts';
import type { SpacesKeysState } from '../../deploy/sandbox/stand-ins/digitalocean/spaces-keys.ts';
import { spacesKeyHandlers } from '../../deploy/sandbox/stand-ins/digitalocean/spaces-keys.ts';
import { close, listen } from '../../deploy/sandbox/stand-ins/http.ts';
import { JsonFile } from '../../deploy/sandbox/stand-ins/json-file.ts';
import {
  createDigitalOceanClient,
  DigitalOceanApiKeyAuthenticationProvider,
} from '../../src/activities/digitalocean/dots.js';

export const token = 'dop_v1_test';
export const clusterId = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
export const ca = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

const initialFacts: DatabaseFacts = {
  version: '9.7.4',
  databases: ['defaultdb', 'wordpress'],
  users: [
    { name: 'doadmin', authPlugin: 'caching_sha2_password' },
    { name: 'wordpress', authPlugin: 'caching_sha2_password' },
  ],
};

interface Limits {
  perHour: number;
  perMinute: number;
}

/**
 * The stand-in for DigitalOcean's API before each test of a file, in a folder of its own, and no violation of the specification after
 * it. Real: the HTTP server, the specification's checks, the client, the state files. Fakes stand for the database server and the
 * object storage's accounts, which the end-to-end tests have real.
 */
export class DigitalOceanLab {
  standIn!: StandIn;
  nfs!: Nfs;
  endpoint = '';
  folder = '';
  databaseAnswers = true;
  expectViolations = false;
  accounts = new Map<string, readonly Grant[]>();
  clock = new Date(0);
  facts = structuredClone(initialFacts);
  backups: StoredBackup[] = [];
  readonly logged: string[] = [];
  /** What the handlers had done, in order. */
  readonly events: string[] = [];
  /** Passwords that they set: host, user, password. */
  readonly changed: string[][] = [];

  constructor() {
    beforeEach(async () => {
      this.folder = await mkdtemp(join(tmpdir(), 'presslift-digitalocean-'));
      this.databaseAnswers = true;
      this.expectViolations = false;
      this.accounts = new Map();
      this.clock = new Date('2026-11-23T12:00:00Z');
      for (const list of [this.logged, this.events, this.changed]) list.length = 0;
      this.backups = [];
      this.facts = structuredClone(initialFacts);
      await this.start();
    });

    afterEach(async () => {
      await close(this.standIn.server);
      await this.nfs.settled();
      await rm(this.folder, { recursive: true });
      expect(this.standIn.violations.length > 0).toBe(this.expectViolations);
    });
  }

  /** Starts it, again where it runs. */
  readonly start = async (
    options: { handlers?: Handlers; limits?: Limits } = {},
  ): Promise<void> => {
    if (this.endpoint !== '') await close(this.standIn.server);
    this.standIn = createStandIn({
      ...{ token, handlers: this.handlers(), now: () => this.clock },
      log: (line) => void this.logged.push(line),
      ...options,
    });
    this.endpoint = `http://127.0.0.1:${await listen(this.standIn.server, '127.0.0.1', 0)}`;
  };

  readonly keysFile = (): string => join(this.folder, 'spaces-keys.json');

  /** The official client. */
  readonly client = (withToken = token) => {
    const adapter = new FetchRequestAdapter(
      new DigitalOceanApiKeyAuthenticationProvider(withToken),
    );
    adapter.baseUrl = this.endpoint;
    return createDigitalOceanClient(adapter).v2;
  };

  /** A request of our own, for what the client hides. */
  readonly api = async (method: string, path: string, body?: unknown, withToken = token) => {
    const answer = await fetch(`${this.endpoint}${path}`, {
      method,
      headers: { authorization: `Bearer ${withToken}`, 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    const json = (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown>;
    return { status: answer.status, headers: answer.headers, json };
  };

  readonly handlers = (): Handlers => {
    const cluster: StoredCluster = {
      ...{ id: clusterId, name: 'acme-db', region: 'nyc3', host: 'db.presslift.test', port: 13306 },
      privateHost: 'private-db.presslift.test',
      ...{ size: 'db-s-1vcpu-1gb', nodes: 1, storageMib: 10_240, tags: [], rules: [], fork: null },
      privateNetwork: 'd455e75d-4858-4eec-8c95-da2f0a5f93a7',
      projectId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff31',
      createdAt: '2026-01-02T03:04:05.000Z',
      passwords: { doadmin: 'admin-secret', wordpress: 'wordpress-secret' },
    };
    const database = (host: string) => ({
      facts: async () => {
        if (!this.databaseAnswers) throw new Error('connection refused');
        return this.facts;
      },
      setPassword: async (user: string, password: string) =>
        void this.changed.push([host, user, password]),
      addUser: async (user: string) =>
        void this.facts.users.push({ name: user, authPlugin: 'caching_sha2_password' }),
      removeUser: async (user: string) => {
        this.facts.users = this.facts.users.filter(({ name }) => name !== user);
      },
      addDatabase: async (name: string) => void this.facts.databases.push(name),
      removeDatabase: async (name: string) => {
        this.facts.databases = this.facts.databases.filter((each) => each !== name);
      },
    });
    const databases = new JsonFile<DatabasesState>(join(this.folder, 'databases.json'), () => ({
      clusters: [cluster],
      backups: [],
    }));
    const spacesAccounts = {
      create: async (grants: readonly Grant[]) => {
        const accessKey = `KEY${this.accounts.size + 1}`;
        this.accounts.set(accessKey, grants);
        return { accessKey, secretKey: 'shown-once', userName: `user of ${accessKey}` };
      },
      remove: async ({ accessKey }: { accessKey: string }) => void this.accounts.delete(accessKey),
    };
    const file = new JsonFile<SpacesKeysState>(this.keysFile(), () => ({ keys: [] }));
    this.nfs = createNfs(
      new JsonFile<NfsState>(join(this.folder, 'nfs.json'), () => ({ shares: [], snapshots: [] })),
      join(this.folder, 'nfs'),
      () => this.clock,
    );
    return {
      ...databaseHandlers({
        ...{ file: databases, ca, administrator: 'doadmin', now: () => this.clock },
        databaseOf: ({ host }) => database(host),
        backups: { of: async (id) => this.backups.filter((backup) => backup.clusterId === id) },
        forks: {
          make: ({ name }) => void this.events.push(`make ${name}`),
          remove: async ({ name }) => void this.events.push(`remove ${name}`),
        },
        placeFor: async (name) => ({
          ...{ host: `${name}.db.presslift.test`, port: 13310 },
          privateHost: `${name}.private-db.presslift.test`,
        }),
        applyFirewall: async () => void this.events.push('firewall'),
        forget: async ({ id, name }) => {
          this.events.push(`forget ${name}`);
          await databases.update((state) => {
            state.clusters = state.clusters.filter((each) => each.id !== id);
          });
        },
        passwordChanged: async (user) => void this.events.push(`password of ${user}`),
      }),
      ...this.nfs.handlers,
      ...spacesKeyHandlers(file, spacesAccounts, () => this.clock),
    };
  };
}
