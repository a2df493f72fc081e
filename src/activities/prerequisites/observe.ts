import { canCreateKeys } from '../../domain/planners/prerequisites-findings.ts';
import type {
  DatabaseFacts,
  HostnameFacts,
  KeysFacts,
  ObjectStorageFacts,
  PrerequisiteFacts,
} from '../../domain/prerequisite-facts.ts';
import type { Site } from '../../domain/site/schema.ts';
import { bucketKeyName, storageAddress } from '../../domain/storage-providers.ts';
import { probeDatabase, probePlain, probeWrongCa } from '../database/probe.ts';
import type { DatabaseProbeOptions } from '../database/probe.ts';
import { failure } from '../failure.ts';
import { observeHostnames } from '../hostnames/observe.ts';
import { bucketState } from '../object-storage/bucket.ts';
import { storageKeys, type ObjectStorage } from '../object-storage/client.ts';
import { readConfiguration } from '../object-storage/configuration.ts';
import { proveIsolation, proveNoPublicListing, proveUse } from '../object-storage/proof.ts';
import { digitalOceanOf, objectsOf, openStorage, today, type PrerequisiteDeps } from './deps.ts';
import { measured } from './measured.ts';

/** Everything that phase 0 looks at. Probe objects are removed; nothing else is written. */
export async function observePrerequisites(
  deps: PrerequisiteDeps,
  site: Site,
): Promise<PrerequisiteFacts> {
  const [database, objectStorage, hostnames] = await Promise.all([
    observeDatabase(deps, site, { prove: true }),
    observeObjectStorage(deps, site, { prove: true }),
    observeSiteHostnames(deps, site),
  ]);
  return { today: today(deps), database, objectStorage, hostnames };
}

export function observeSiteHostnames(deps: PrerequisiteDeps, site: Site): Promise<HostnameFacts> {
  return observeHostnames(
    {
      objects: objectsOf(deps, site),
      now: deps.now ?? (() => new Date()),
      served: deps.trust?.served,
    },
    site,
  );
}

/**
 * The database as the site's account sees it.
 *
 * @param options.prove also try what must be refused.
 */
export async function observeDatabase(
  deps: PrerequisiteDeps,
  site: Site,
  options: { prove: boolean },
): Promise<DatabaseFacts> {
  const { host, port, name } = site.database;
  const managed = site.database.managed ? await measured(() => managedDatabase(deps, site)) : null;
  const probe = await measured(() => probeOptions(deps, site));
  const connection = probe.ok
    ? await measured(async () => {
        const { tls, content } = await probeDatabase(probe.value);
        return { tls, ...content };
      })
    : probe;
  const notTried = { refused: null, seen: 'not tried: the database cannot be used at all' };
  const tried = options.prove && probe.ok && connection.ok;
  return {
    address: `${host}:${port}`,
    database: name,
    managed,
    connection,
    wrongCa: tried ? await probeWrongCa(probe.value) : notTried,
    plain: tried ? await probePlain(probe.value) : notTried,
  };
}

async function managedDatabase(deps: PrerequisiteDeps, site: Site) {
  const api = await digitalOceanOf(deps, site);
  const id = site.database.managed?.clusterId ?? '';
  const cluster = await api.databaseCluster(id);
  const users = await api.databaseUsers(id);
  const account = await deps.secrets.resolve(site.database.credentials, 'username');
  return { ...cluster, accountKnown: users.some(({ name }) => name === account) };
}

async function probeOptions(deps: PrerequisiteDeps, site: Site): Promise<DatabaseProbeOptions> {
  const { host, port, name, credentials } = site.database;
  return {
    host,
    port,
    database: name,
    ca: await databaseCa(deps, site),
    account: {
      username: await deps.secrets.resolve(credentials, 'username'),
      password: await deps.secrets.secret(credentials, 'password'),
    },
  };
}

/** The CA of the site's database: from its reference, else from the provider, else the public authorities. */
async function databaseCa(deps: PrerequisiteDeps, site: Site): Promise<string | undefined> {
  const { ca, managed } = site.database;
  if (ca) {
    const pem = await deps.secrets.resolve(ca);
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
      throw failure('InvalidInput', `What ${ca} holds is no PEM certificate`);
    }
    return pem;
  }
  return managed ? (await digitalOceanOf(deps, site)).databaseCa(managed.clusterId) : undefined;
}

/**
 * The bucket and its keys.
 *
 * @param options.prove also put, get and delete an object, and try what must be refused.
 */
export async function observeObjectStorage(
  deps: PrerequisiteDeps,
  site: Site,
  options: { prove: boolean },
): Promise<ObjectStorageFacts> {
  const { objects } = site.storage;
  const { bucket } = objects;
  const opened: ObjectStorage[] = [];
  const open = async (reference: string) => {
    const keys = await storageKeys(deps.secrets, reference);
    const storage = openStorage(deps, site, keys);
    opened.push(storage);
    return { storage, accessKeyId: keys.accessKeyId };
  };
  try {
    const siteKeys = await measured(() => open(objects.credentials));
    const adminKeys = objects.adminCredentials
      ? await measured(() => open(objects.adminCredentials as string))
      : null;
    const siteStorage = siteKeys.ok ? siteKeys.value.storage : null;
    const adminStorage = adminKeys?.ok ? adminKeys.value.storage : null;
    const asking = adminStorage ?? (adminKeys === null ? siteStorage : null);
    const state: ObjectStorageFacts['state'] =
      adminKeys && !adminKeys.ok
        ? adminKeys
        : asking
          ? await measured(() => bucketState(asking, bucket))
          : siteKeys.ok || siteKeys.type === 'SecretMissing'
            ? { ok: true, value: 'unknown' }
            : siteKeys;
    const isThere = state.ok && state.value === 'ours' && asking !== null;
    const keys: KeysFacts = {
      present: siteKeys.ok,
      accessKeyId: siteKeys.ok ? siteKeys.value.accessKeyId : null,
      why: siteKeys.ok ? null : siteKeys.message,
      use: [],
      isolation: [],
      issued: canCreateKeys(site)
        ? await measured(async () => {
            const api = await digitalOceanOf(deps, site);
            const issued = await api.spacesKeys({ name: bucketKeyName(site.name, bucket) });
            return issued.map(({ accessKey }) => accessKey);
          })
        : null,
    };
    if (options.prove && isThere && siteStorage) {
      keys.use = await proveUse(siteStorage, bucket);
      keys.isolation = await proveIsolation(siteStorage, adminStorage, bucket);
    }
    return {
      endpoint: storageAddress(objects)?.endpoint ?? '',
      bucket,
      state,
      configuration: isThere
        ? await measured(() => readConfiguration(asking, objects.provider, bucket))
        : null,
      publicListing: isThere && options.prove ? await proveNoPublicListing(asking, bucket) : null,
      keys,
    };
  } finally {
    for (const storage of opened) storage.close();
  }
}
