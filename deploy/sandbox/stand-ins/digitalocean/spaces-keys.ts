/** The Spaces key operations. Every key is an account of the real object storage; its secret is shown once. */
import type { JsonFile } from '../json-file.ts';
import { ApiError, notFound } from './api-error.ts';
import type { Handlers } from './server.ts';
import type { Grant, SpacesAccounts } from './spaces-accounts.ts';

/** A key as it is kept: everything but the secret. */
export interface StoredKey {
  name: string;
  accessKey: string;
  grants: Grant[];
  /** ISO 8601. */
  createdAt: string;
  /** The user behind it in the object storage. */
  userName: string;
}

export interface SpacesKeysState {
  keys: StoredKey[];
}

interface KeyBody {
  name?: string;
  grants?: Grant[];
}

const permissions = new Set(['read', 'readwrite', 'fullaccess', '']);

/** Handlers of the Spaces key operations. */
export function spacesKeyHandlers(
  file: JsonFile<SpacesKeysState>,
  accounts: SpacesAccounts,
  now: () => Date,
): Handlers {
  async function find(accessKey: string | undefined): Promise<StoredKey> {
    const key = (await file.read()).keys.find((each) => each.accessKey === accessKey);
    if (!key) throw notFound();
    return key;
  }

  const rename: Handlers[string] = async ({ path, body }) => {
    const { name, grants } = body as KeyBody;
    const renamed = await file.update((state) => {
      const key = state.keys.find((each) => each.accessKey === path['access_key']);
      if (!key) throw notFound();
      // The specification: "You can only update the name of the key."
      if (grants && !sameGrants(grants, key.grants)) {
        throw new ApiError(400, 'bad_request', 'the grants of a key cannot be updated.');
      }
      if (name !== undefined) key.name = name;
      return key;
    });
    return { status: 200, body: { key: shown(renamed) } };
  };

  return {
    spacesKey_list: async ({ query, url }) => {
      const all = (await file.read()).keys.filter((key) => matches(key, query)).sort(order(query));
      const page = Number(query['page']);
      const perPage = Number(query['per_page']);
      return {
        status: 200,
        body: {
          keys: all.slice((page - 1) * perPage, page * perPage).map(shown),
          links: pageLinks(url, page, Math.max(1, Math.ceil(all.length / perPage))),
          meta: { total: all.length },
        },
      };
    },
    spacesKey_create: async ({ body }) => {
      const { name = '', grants = [] } = body as KeyBody;
      checkGrants(grants);
      const { accessKey, secretKey, userName } = await accounts.create(grants);
      const key: StoredKey = { name, accessKey, grants, createdAt: now().toISOString(), userName };
      try {
        await file.update((state) => void state.keys.push(key));
      } catch (error) {
        await accounts.remove({ accessKey, userName });
        throw error;
      }
      return { status: 201, body: { key: { ...shown(key), secret_key: secretKey } } };
    },
    spacesKey_get: async ({ path }) => ({
      status: 200,
      // The schema says `keys`, the published example and the service itself `key`; the schema allows both.
      body: { key: shown(await find(path['access_key'])) },
    }),
    spacesKey_update: rename,
    spacesKey_patch: rename,
    spacesKey_delete: async ({ path }) => {
      const key = await find(path['access_key']);
      // The account first: a key that the list no longer has must not work any more.
      await accounts.remove(key);
      await file.update((state) => {
        state.keys = state.keys.filter(({ accessKey }) => accessKey !== key.accessKey);
      });
      return { status: 204 };
    },
  };
}

function shown({ name, accessKey, grants, createdAt }: StoredKey) {
  return { name, access_key: accessKey, grants, created_at: createdAt };
}

function checkGrants(grants: readonly Grant[]): void {
  const refuse = (message: string): never => {
    throw new ApiError(400, 'bad_request', message);
  };
  const full = grants.filter(({ permission }) => permission === 'fullaccess');
  if (full.length > 0 && full.length < grants.length) {
    refuse('cannot mix fullaccess permission with scoped permissions.');
  }
  for (const { bucket, permission } of grants) {
    if (!permissions.has(permission)) refuse(`invalid permission: ${permission}`);
    // It goes into a resource name, where a wildcard would mean other buckets.
    if (permission !== 'fullaccess' && !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
      refuse(`invalid bucket name: ${bucket}`);
    }
  }
}

function sameGrants(a: readonly Grant[], b: readonly Grant[]): boolean {
  const key = (grants: readonly Grant[]) =>
    grants
      .map(({ bucket, permission }) => `${bucket} ${permission}`)
      .sort()
      .join('\n');
  return key(a) === key(b);
}

type Query = Readonly<Record<string, string | number>>;

function matches(key: StoredKey, { name, bucket, permission }: Query): boolean {
  const hasGrant = (test: (grant: Grant) => boolean) => key.grants.some(test);
  return (
    (name === undefined || key.name === name) &&
    (bucket === undefined || hasGrant((grant) => grant.bucket === bucket)) &&
    (permission === undefined || hasGrant((grant) => grant.permission === permission))
  );
}

function order({ sort, sort_direction: direction }: Query) {
  const field = sort === 'name' ? 'name' : 'createdAt';
  const sign = direction === 'asc' ? 1 : -1;
  return (a: StoredKey, b: StoredKey) => sign * (a[field] < b[field] ? -1 : 1);
}

/** `links` of a list: only those that lead to another page. */
function pageLinks(url: URL, page: number, pages: number): object {
  const to = (number: number): string => {
    const link = new URL(url);
    link.searchParams.set('page', String(number));
    return link.href;
  };
  const backward = page > 1 ? { first: to(1), prev: to(page - 1) } : {};
  const forward = page < pages ? { next: to(page + 1), last: to(pages) } : {};
  const links = { ...backward, ...forward };
  return Object.keys(links).length > 0 ? { pages: links } : {};
}
