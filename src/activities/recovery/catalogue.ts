import { canonicalJson } from '../../domain/json.ts';
import {
  takenByRollback,
  type DrillReport,
  type RecoveryPoint,
  type RecoveryPointState,
} from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { connectObjectStorage } from '../object-storage/client.ts';
import { siteObjectLock } from '../object-storage/lock.ts';
import {
  createSigner,
  documentText,
  isBadSignature,
  seal,
  unseal,
  type Signer,
} from './catalogue-document.ts';
import { createCatalogueStore, type CatalogueStore } from './catalogue-store.ts';
import type { RecoveryCoreDeps } from './deps.ts';
import { recoveryPrefix, repositoryPassword } from './repository.ts';

export type { RecoveryCoreDeps } from './deps.ts';

/** A site's recovery points in its bucket. Whoever opens it closes it. */
export interface Catalogue {
  /** Ids, newest first; also of points whose document cannot be trusted or is gone. */
  list(): Promise<string[]>;
  /** @throws InvalidInput (no id, or a point of another site), NotFound, CatalogueTampered */
  read(id: string): Promise<RecoveryPoint>;
  /** The digest where this very document is there already; null where none is, or another one. */
  recorded(point: RecoveryPoint): Promise<{ digest: string } | null>;
  /** Writes the document once; the same again changes nothing. @throws Conflict when another one is there. */
  write(point: RecoveryPoint): Promise<{ digest: string }>;
  /** What became known of a point later; nothing yet when there is no document. @throws CatalogueTampered */
  state(id: string): Promise<RecoveryPointState>;
  /** Changes some of it; members that are not given stay. @throws NotFound, CatalogueTampered */
  setState(id: string, patch: Partial<RecoveryPointState>): Promise<RecoveryPointState>;
  /** Removes a point with all that is beside it. */
  remove(id: string): Promise<void>;
  /**
   * Stores a part of a drill's report; give `DrillReport` itself as text made by `sealReport`.
   * @param id the point, or null when the drill found none.
   * @returns the object's key.
   */
  putReport(
    id: string | null,
    name: string,
    body: string | Buffer,
    contentType: string,
  ): Promise<string>;
  /** The newest drills' reports, oldest of them first; those without a valid signature are left out. */
  reports(limit: number): Promise<DrillReport[]>;
  /** The text of `<drill>.json`. */
  sealReport(report: DrillReport): string;
  /** HMAC-SHA256 by the catalogue's key, hexadecimal. */
  sign(text: string): string;
  close(): void;
}

const emptyState: RecoveryPointState = { pinned: null, bad: null, proved: null };

/** @throws PreconditionFailed (no repository password in the site file), SecretMissing, InvalidSite */
export async function openCatalogue(deps: RecoveryCoreDeps, site: Site): Promise<Catalogue> {
  const { objects } = site.storage;
  const signer = createSigner(await repositoryPassword(deps, site));
  const place = { objects, keys: objects.credentials, ca: objects.ca };
  const storage = await connectObjectStorage(deps.secrets, place);
  const store = createCatalogueStore(storage, objects.bucket, () =>
    siteObjectLock(deps.secrets, site, storage),
  );
  return catalogueOf(store, signer, site, deps, () => storage.close());
}

function catalogueOf(
  store: CatalogueStore,
  signer: Signer,
  site: Site,
  deps: Pick<RecoveryCoreDeps, 'now'>,
  close: () => void,
): Catalogue {
  const base = `${recoveryPrefix(site)}recovery-points/`;
  const json = { contentType: 'application/json' };

  async function read(id: string): Promise<RecoveryPoint> {
    requireId(site, id);
    const found = await store.get(`${base}${id}/point.json`);
    if (found === null) {
      if (!id.includes(`-${site.name}-`)) {
        throw failure('InvalidInput', `${id} is no recovery point of site ${site.name}`);
      }
      throw failure('NotFound', `Site ${site.name} has no recovery point ${id}`);
    }
    // Signed without its place, so that a point of another site is told from one that was changed.
    const content = unseal<RecoveryPoint>(signer, 'point', 'a site', found.text);
    if (content.site !== site.name) {
      throw failure(
        'InvalidInput',
        `${id} is a recovery point of site ${content.site}, not of ${site.name}`,
      );
    }
    if (content.id !== id) {
      throw failure('CatalogueTampered', `The document of ${id} is that of ${content.id}`);
    }
    return content;
  }

  async function readState(id: string) {
    requireId(site, id);
    const found = await store.get(`${base}${id}/state.json`);
    if (found === null) return { state: emptyState, etag: null };
    const content = unseal<Partial<RecoveryPointState>>(
      signer,
      'state',
      `${site.name}/${id}`,
      found.text,
    );
    return { state: { ...emptyState, ...content }, etag: found.etag };
  }

  return {
    async list() {
      // By their objects: some servers go on to list a folder of which all is deleted.
      const keys = (await store.list(base)).map(({ key }) => key.slice(base.length));
      return [...new Set(keys.flatMap((key) => /^([^/]+)\//.exec(key)?.[1] ?? []))]
        .sort()
        .reverse();
    },

    read,

    async recorded(point) {
      requireId(site, point.id);
      const envelope = seal(signer, 'point', 'a site', point);
      const found = await store.get(`${base}${point.id}/point.json`);
      return found?.text === documentText(envelope) ? { digest: envelope.digest } : null;
    },

    async write(point) {
      requireId(site, point.id);
      const envelope = seal(signer, 'point', 'a site', point);
      const key = `${base}${point.id}/point.json`;
      const text = documentText(envelope);
      const found = await store.get(key);
      if (found === null) {
        const lockedUntil = new Date(deps.now().getTime() + site.backup.keep.daily * 86_400_000);
        await store.put(key, text, { ...json, lockedUntil, over: null });
      } else if (found.text !== text) {
        throw failure(
          'Conflict',
          `Recovery point ${point.id} is there already, with other content`,
        );
      }
      return { digest: envelope.digest };
    },

    state: async (id) => (await readState(id)).state,

    async setState(id, patch) {
      await read(id);
      for (let attempt = 1; ; attempt += 1) {
        const { state, etag } = await readState(id);
        const next = { ...state, ...patch };
        if (etag !== null && canonicalJson(next) === canonicalJson(state)) return state;
        const envelope = seal(signer, 'state', `${site.name}/${id}`, next);
        try {
          const key = `${base}${id}/state.json`;
          await store.put(key, documentText(envelope), { ...json, over: etag });
          return next;
        } catch (error) {
          if (failureTypeOf(error) !== 'Conflict' || attempt === 5) throw error;
        }
      }
    },

    async remove(id) {
      requireId(site, id);
      const keys = (await store.list(`${base}${id}/`)).map(({ key }) => key);
      // The document first: it is never there without what says that it is bad. What is interrupted here is found by the rest
      // of its folder, and finished by the next retention.
      keys.sort((a, b) => Number(b.endsWith('/point.json')) - Number(a.endsWith('/point.json')));
      for (const key of keys) await store.remove(key);
    },

    async putReport(id, name, body, contentType) {
      if (id !== null) requireId(site, id);
      const folder = id === null ? `${recoveryPrefix(site)}drills/` : `${base}${id}/drills/`;
      const key = `${folder}${name}`;
      await store.put(key, body.toString(), { contentType });
      return key;
    },

    async reports(limit) {
      const objects = [
        ...(await store.list(base)),
        ...(await store.list(`${recoveryPrefix(site)}drills/`)),
      ]
        .filter(({ key }) => /\/drills\/[^/]+\.json$/.test(key))
        .sort((a, b) => a.at.getTime() - b.at.getTime() || (a.key < b.key ? -1 : 1))
        .slice(-limit);
      const reports: DrillReport[] = [];
      for (const { key } of objects) {
        const found = await store.get(key);
        if (found === null) continue;
        try {
          reports.push(unseal<DrillReport>(signer, 'report', site.name, found.text));
        } catch (error) {
          if (failureTypeOf(error) !== 'CatalogueTampered') throw error;
        }
      }
      return reports.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
    },

    sealReport: (report) => documentText(seal(signer, 'report', site.name, report)),

    sign: (text) => signer.sign(text),

    close,
  };
}

/**
 * The recovery point that somebody means.
 * @param id null for the newest one that can be trusted, that nothing marks as bad and that no rollback took: a rollback's own
 *   point is of the state that somebody wanted to get away from. Such a one has to be named.
 * @throws InvalidInput, NotFound, CatalogueTampered; RepositoryRefused when there are points and this password has signed none
 */
export async function resolvePoint(
  catalogue: Catalogue,
  id: string | null,
): Promise<RecoveryPoint> {
  return (await choosePoint(catalogue, id)).point;
}

/** The same with the newer points that were passed over, each with the reason; newest first. */
export async function choosePoint(
  catalogue: Catalogue,
  id: string | null,
): Promise<{ point: RecoveryPoint; passedOver: string[] }> {
  if (id !== null) return { point: await catalogue.read(id), passedOver: [] };
  const passedOver: string[] = [];
  let foreign = 0;
  for (const candidate of await catalogue.list()) {
    try {
      const point = await catalogue.read(candidate);
      const isBad = (await catalogue.state(candidate)).bad !== null;
      if (!isBad && !takenByRollback(point)) return { point, passedOver };
      passedOver.push(
        isBad
          ? `${candidate} is marked as bad`
          : `${candidate} was taken by a rollback of what it was about to change`,
      );
    } catch (error) {
      const type = failureTypeOf(error);
      if (type !== 'CatalogueTampered' && type !== 'NotFound' && type !== 'InvalidInput')
        throw error;
      if (isBadSignature(error)) foreign += 1;
      passedOver.push(`${candidate} cannot be trusted`);
    }
  }
  if (foreign > 0 && foreign === passedOver.length) {
    throw failure(
      'RepositoryRefused',
      `None of the ${foreign} recovery points in the bucket is signed with this repository's password`,
    );
  }
  const why = passedOver.length === 0 ? 'there is none' : passedOver.slice(0, 3).join(', ');
  throw failure('NotFound', `The site has no sound recovery point: ${why}`);
}

/** Ids become parts of keys and of names of Jobs: nothing else gets in. */
function requireId(site: Site, id: string): void {
  if (!/^\d{8}T\d{6}Z-[\w.-]{1,150}$/.test(id)) {
    throw failure(
      'InvalidInput',
      `${JSON.stringify(id)} is no id of a recovery point of ${site.name}`,
    );
  }
}
