/** Calls for Spaces keys. */
import { Secret } from '../secrets/secret.ts';
import type { Calls } from './calls.ts';
import type { SpacesKey } from './dots.js';
import { present } from './errors.ts';

export interface SpacesKeyInfo {
  name: string;
  accessKey: string;
  grants: { bucket: string; permission: string }[];
}

export interface SpacesCalls {
  /** Keys that have a grant on a bucket, and those of a name. */
  spacesKeys(filter: { bucket?: string; name?: string }): Promise<SpacesKeyInfo[]>;
  /** A key for one bucket alone. The secret is shown by the API once, here. */
  createSpacesKey(key: {
    name: string;
    bucket: string;
    permission: 'read' | 'readwrite';
  }): Promise<{ accessKey: string; secretKey: Secret }>;
  /** Deleting a key that is gone already is no error. */
  deleteSpacesKey(accessKey: string): Promise<void>;
}

export function createSpacesCalls({ v2, call }: Calls): SpacesCalls {
  return {
    async spacesKeys(filter) {
      const found: SpacesKey[] = [];
      const perPage = 200;
      for (let page = 1; ; page += 1) {
        const what = 'list of Spaces keys';
        const answer = await call(what, () =>
          v2.spaces.keys.get({ queryParameters: { ...filter, page, perPage } }),
        );
        const keys = present(answer?.keys, what);
        found.push(...keys);
        if (keys.length < perPage) break;
      }
      // The filter is repeated here: not every server of this API applies it.
      return found
        .map(keyInfo)
        .filter((key) => filter.name === undefined || key.name === filter.name)
        .filter(
          (key) =>
            filter.bucket === undefined ||
            key.grants.some(({ bucket }) => bucket === filter.bucket),
        );
    },

    async createSpacesKey({ name, bucket, permission }) {
      const answer = await call(`Spaces key ${name}`, () =>
        v2.spaces.keys.post({ name, grants: [{ bucket, permission }] }),
      );
      const key = present(answer?.key, `Spaces key ${name}`);
      const secretKey = present(key.secretKey, `secret of Spaces key ${name}`);
      return {
        accessKey: present(key.accessKey, `id of Spaces key ${name}`),
        secretKey: new Secret(secretKey),
      };
    },

    async deleteSpacesKey(accessKey) {
      await call<unknown>(
        `Spaces key ${accessKey}`,
        () => v2.spaces.keys.byAccess_key(accessKey).delete(),
        { gone: undefined },
      );
    },
  };
}

function keyInfo(key: SpacesKey): SpacesKeyInfo {
  return {
    name: key.name ?? '',
    accessKey: key.accessKey ?? '',
    grants: (key.grants ?? []).map(({ bucket, permission }) => ({
      bucket: bucket ?? '',
      permission: permission ?? '',
    })),
  };
}
