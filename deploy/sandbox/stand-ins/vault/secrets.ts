/** The rules of Vault's KV version 2 secrets engine over plain data: versions, deletion, check-and-set. */

export type SecretData = Record<string, unknown>;

export interface SecretVersion {
  /** Null once destroyed. */
  data: SecretData | null;
  createdTime: string;
  /** Empty while not deleted. */
  deletionTime: string;
  destroyed: boolean;
}

export interface Secret {
  /** By version number, from 1. */
  versions: Record<string, SecretVersion>;
  currentVersion: number;
  createdTime: string;
  updatedTime: string;
  /** 0: the engine's default of ten. */
  maxVersions: number;
  casRequired: boolean;
  customMetadata: Record<string, string> | null;
}

/** All secrets of a mount by path. */
export type Secrets = Record<string, Secret>;

/** An answer with errors, as Vault gives it. */
export class VaultError extends Error {
  override name = 'VaultError';
  readonly status: number;
  /** Vault answers some 404 with an empty list of errors. */
  readonly errors: readonly string[];

  constructor(status: number, ...errors: string[]) {
    super(errors.join('; '));
    this.status = status;
    this.errors = errors;
  }
}

const defaultMaxVersions = 10;

/** Adds a version. `cas` 0 means: only when there is none yet. */
export function writeSecret(
  secrets: Secrets,
  path: string,
  data: SecretData,
  cas: number | undefined,
  now: string,
): { version: number; secret: Secret } {
  const secret = secrets[path] ?? emptySecret(now);
  if (secret.casRequired && cas === undefined) {
    throw new VaultError(400, 'check-and-set parameter required for this call');
  }
  if (cas !== undefined && cas !== secret.currentVersion) {
    throw new VaultError(400, 'check-and-set parameter did not match the current version');
  }
  const version = secret.currentVersion + 1;
  secret.versions[version] = { data, createdTime: now, deletionTime: '', destroyed: false };
  secret.currentVersion = version;
  secret.updatedTime = now;
  const kept = secret.maxVersions || defaultMaxVersions;
  for (const number of Object.keys(secret.versions)) {
    if (Number(number) <= version - kept) delete secret.versions[number];
  }
  secrets[path] = secret;
  return { version, secret };
}

/** A version; 0 means the current one. Undefined when there is none. */
export function findVersion(
  secret: Secret | undefined,
  version: number,
): { number: number; found: SecretVersion } | undefined {
  if (!secret) return undefined;
  const number = version || secret.currentVersion;
  const found = secret.versions[number];
  return found ? { number, found } : undefined;
}

/** Marks versions as deleted, takes the mark away, or removes their data for good. Unknown versions are passed over. */
export function changeVersions(
  secret: Secret,
  versions: readonly number[],
  change: 'delete' | 'undelete' | 'destroy',
  now: string,
): void {
  for (const number of versions) {
    const version = secret.versions[number];
    if (!version || version.destroyed) continue;
    if (change === 'delete') version.deletionTime = now;
    if (change === 'undelete') version.deletionTime = '';
    if (change === 'destroy') Object.assign(version, { data: null, destroyed: true });
  }
}

/** Names directly below a folder; those with more below them end in a slash. */
export function listNames(secrets: Secrets, folder: string): string[] {
  const prefix = folder === '' || folder.endsWith('/') ? folder : `${folder}/`;
  const names = Object.keys(secrets)
    .filter((path) => path.startsWith(prefix))
    .map((path) => path.slice(prefix.length).replace(/\/.*$/, '/'));
  return [...new Set(names)].sort();
}

export function emptySecret(now: string): Secret {
  return {
    versions: {},
    currentVersion: 0,
    createdTime: now,
    updatedTime: now,
    maxVersions: 0,
    casRequired: false,
    customMetadata: null,
  };
}
