import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { ApiException } from '@kubernetes/client-node';
import type { DatabasesState } from '../../deploy/sandbox/stand-ins/digitalocean/clusters.ts';
import { databaseHandlers } from '../../deploy/sandbox/stand-ins/digitalocean/databases.ts';
import { createManagedDatabase } from '../../deploy/sandbox/stand-ins/digitalocean/managed-database.ts';
import { createNfs, type NfsState } from '../../deploy/sandbox/stand-ins/digitalocean/nfs.ts';
import { createStandIn } from '../../deploy/sandbox/stand-ins/digitalocean/server.ts';
import { createSpacesAccounts } from '../../deploy/sandbox/stand-ins/digitalocean/spaces-accounts.ts';
import {
  spacesKeyHandlers,
  type SpacesKeysState,
} from '../../deploy/sandbox/stand-ins/digitalocean/spaces-keys.ts';
import { JsonFile } from '../../deploy/sandbox/stand-ins/json-file.ts';
import type {
  KubernetesAccess,
  KubernetesObjects,
} from '../../src/activities/secrets/kubernetes-objects.ts';
import type { Site, SiteFile } from '../../src/domain/site/schema.ts';
import { siteSchema } from '../../src/domain/site/schema.ts';
import type { TestDatabase } from './database-servers.ts';
import type { TestObjectStorage } from './versitygw.ts';

/** A complete site; `change` edits the file before it is checked. */
export function testSite(change: (file: SiteFile) => void = () => undefined): Site {
  const file: SiteFile = {
    name: 'acme',
    hosts: { names: ['acme.test'], issuer: 'presslift-ca', ingressClass: 'traefik' },
    cluster: { namespace: 'acme', deployment: 'wordpress', service: 'wordpress' },
    wordpress: {
      image: 'registry.test/wordpress:1',
      toolboxImage: 'registry.test/toolbox:1',
      adminCredentials: 'kubernetes:acme/wordpress-admin',
    },
    database: {
      host: '127.0.0.1',
      port: 3306,
      name: 'wordpress',
      credentials: 'env:DATABASE',
      managed: {
        provider: 'digitalocean',
        clusterId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30',
        token: 'env:DIGITALOCEAN_TOKEN',
      },
    },
    storage: {
      sharedClaim: {},
      objects: {
        provider: 'spaces',
        bucket: 'acme-media',
        region: 'nyc3',
        adminCredentials: 'env:STORAGE_ADMIN',
        credentials: 'kubernetes:acme/object-storage',
      },
    },
    approvals: { approvers: ['alice'] },
  };
  change(file);
  const { hosts, ...site } = siteSchema.parse(file);
  return { ...site, hosts: { ...hosts, names: hosts.names ?? [] } };
}

const key = (apiVersion: string, kind: string, namespace: string | undefined, name: string) =>
  `${apiVersion} ${kind} ${namespace ?? ''}/${name}`;

/** Objects of a cluster in memory: read, list, server-side apply of a new object, and delete. */
export class MemoryCluster implements KubernetesAccess {
  readonly stored = new Map<string, KubernetesObject>();

  put(...objects: KubernetesObject[]): this {
    for (const object of objects) {
      const { apiVersion = '', kind = '', metadata } = object;
      this.stored.set(key(apiVersion, kind, metadata?.namespace, metadata?.name ?? ''), object);
    }
    return this;
  }

  secret(namespace: string, name: string): Record<string, string> | null {
    const found = this.stored.get(key('v1', 'Secret', namespace, name)) as
      { data?: Record<string, string> } | undefined;
    if (!found) return null;
    return Object.fromEntries(
      Object.entries(found.data ?? {}).map(([name_, value]) => [
        name_,
        Buffer.from(value, 'base64').toString(),
      ]),
    );
  }

  forContext(): this {
    return this;
  }

  get objects(): KubernetesObjects {
    const idOf = (object: KubernetesObject) => {
      const { apiVersion = '', kind = '', metadata } = object;
      return key(apiVersion, kind, metadata?.namespace, metadata?.name ?? '');
    };
    const mustExist = (id: string) => {
      const found = this.stored.get(id);
      if (!found) throw new ApiException(404, 'Not Found', JSON.stringify({ message: id }), {});
      return found;
    };
    return {
      read: async (spec: KubernetesObject) => mustExist(idOf(spec)),
      list: async (apiVersion: string, kind: string, namespace?: string) => ({
        apiVersion,
        kind: `${kind}List`,
        metadata: {},
        items: [...this.stored.values()].filter(
          (object) =>
            object.apiVersion === apiVersion &&
            object.kind === kind &&
            (namespace === undefined || object.metadata?.namespace === namespace),
        ),
      }),
      patch: async (object: KubernetesObject) => {
        this.put(object);
        return object;
      },
      delete: async (object: KubernetesObject) => {
        mustExist(idOf(object));
        this.stored.delete(idOf(object));
        return {};
      },
    } as unknown as KubernetesObjects;
  }
}

/** Ingress, Certificate, issuer and class of a site as they should be. */
export function alignedObjects(hosts: string[], notAfter: string): KubernetesObject[] {
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
  return [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'wordpress', namespace: 'acme' },
      spec: {
        ingressClassName: 'traefik',
        rules: hosts.map((host) => ({ host })),
        tls: [{ hosts, secretName: 'acme-tls' }],
      },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'traefik' },
      spec: { controller: 'traefik.io/ingress-controller' },
    },
    {
      apiVersion: 'cert-manager.io/v1',
      kind: 'Certificate',
      metadata: { name: 'acme', namespace: 'acme' },
      spec: {
        dnsNames: hosts,
        secretName: 'acme-tls',
        issuerRef: { kind: 'ClusterIssuer', name: 'presslift-ca' },
      },
      status: { ...ready, notAfter },
    },
    {
      apiVersion: 'cert-manager.io/v1',
      kind: 'ClusterIssuer',
      metadata: { name: 'presslift-ca' },
      status: ready,
    },
  ] satisfies object[] as unknown[] as KubernetesObject[];
}

export interface TestDigitalOcean {
  endpoint: string;
  token: string;
  /** Answers that broke the published specification. */
  violations: readonly string[];
  stop(): Promise<void>;
}

/** The stand-in for DigitalOcean's API in front of a real database and real object storage. */
export async function startDigitalOcean(
  database: TestDatabase,
  storage: TestObjectStorage,
  administrator: { name: string; password: string },
  clusterId: string,
): Promise<TestDigitalOcean> {
  const token = 'dop_v1_for-tests-only';
  const folder = await mkdtemp(join(tmpdir(), 'presslift-do-'));
  const keys = new JsonFile<SpacesKeysState>(join(folder, 'keys.json'), () => ({ keys: [] }));
  const accounts = createSpacesAccounts({
    endpoint: storage.iamEndpoint,
    root: { accessKey: storage.root.accessKeyId, secretKey: storage.root.secretAccessKey },
  });
  const databases = new JsonFile<DatabasesState>(join(folder, 'databases.json'), () => ({
    clusters: [
      {
        ...{ id: clusterId, name: 'tests', region: 'nyc3', size: 'db-s-1vcpu-1gb', nodes: 1 },
        ...{ host: '127.0.0.1', privateHost: '127.0.0.1', port: database.port },
        ...{ passwords: {}, rules: [], tags: [] },
        ...{ storageMib: 10_240, createdAt: '2026-01-01T00:00:00Z', fork: null },
        privateNetwork: 'd455e75d-4858-4eec-8c95-da2f0a5f93a7',
        projectId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff31',
      },
    ],
    backups: [],
  }));
  const managed = createManagedDatabase({
    ...{ host: database.name, address: database.host, port: database.port, socket: null },
    ...{ user: administrator.name, password: () => administrator.password, ca: database.ca },
  });
  const unused = () => Promise.reject(new Error('no part of these tests'));
  const { server, violations } = createStandIn({
    token,
    handlers: {
      ...databaseHandlers({
        ...{ file: databases, ca: database.ca, administrator: administrator.name },
        databaseOf: () => managed,
        // What changes clusters has tests of its own.
        ...{ backups: { of: async () => [] }, placeFor: unused, applyFirewall: unused },
        ...{ forks: { make: () => undefined, remove: unused }, forget: unused },
        ...{ passwordChanged: unused, now: () => new Date() },
      }),
      ...createNfs(
        new JsonFile<NfsState>(join(folder, 'nfs.json'), () => ({ shares: [], snapshots: [] })),
        folder,
        () => new Date(),
      ).handlers,
      ...spacesKeyHandlers(keys, accounts, () => new Date()),
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    token,
    violations,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}
