import { failure } from '../failure.ts';

/** A secret reference of the site file, taken apart. */
export type SecretReference =
  | { store: 'kubernetes'; namespace: string; name: string; key: string | null }
  | { store: 'vault'; path: string; key: string | null }
  | { store: 'env'; variable: string };

/**
 * Takes `kubernetes:<namespace>/<name>[#<key>]`, `vault:<path>[#<key>]` or `env:<NAME>` apart.
 *
 * @throws InvalidInput for anything else. The text is not repeated: somebody may have put the value there.
 */
export function parseSecretReference(reference: string): SecretReference {
  const kubernetes = /^kubernetes:([a-z0-9.-]+)\/([a-z0-9.-]+)(?:#([\w.-]+))?$/.exec(reference);
  if (kubernetes) {
    const [, namespace = '', name = '', key] = kubernetes;
    return { store: 'kubernetes', namespace, name, key: key ?? null };
  }
  const vault = /^vault:\/?([\w./-]+?)\/?(?:#([\w.-]+))?$/.exec(reference);
  if (vault) return { store: 'vault', path: vault[1] ?? '', key: vault[2] ?? null };
  const env = /^env:([A-Za-z_]\w*)$/.exec(reference);
  if (env) return { store: 'env', variable: env[1] ?? '' };
  throw failure(
    'InvalidInput',
    'A secret reference must be kubernetes:<namespace>/<name>[#<key>], vault:<path>[#<key>] or env:<NAME>',
  );
}

/**
 * Path of a secret's data in the HTTP interface of a KV version 2 mount. The mount is the first segment; a path that
 * spells out `<mount>/data/…` is taken as it is.
 */
export function vaultDataPath(path: string): string {
  const [mount = '', ...rest] = path.split('/').map(encodeURIComponent);
  const below = rest[0] === 'data' && rest.length > 1 ? rest.slice(1) : rest;
  return `/v1/${[mount, 'data', ...below].join('/')}`;
}
