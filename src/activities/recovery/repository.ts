import type { Site } from '../../domain/site/schema.ts';
import { storageAddress } from '../../domain/storage-providers.ts';
import { failure } from '../failure.ts';
import { storageKeys } from '../object-storage/client.ts';
import type { RecoveryCoreDeps } from './deps.ts';
import { toolboxPaths } from './toolbox-manifest.ts';

export type { RecoveryCoreDeps } from './deps.ts';

/** A site's restic repository, as toolbox Jobs reach it: spread `env` and `secretFiles` into the Job. */
export interface Repository {
  /** Its address without credentials, for documents and messages. */
  url: string;
  env: Record<string, string>;
  secretFiles: Record<string, string>;
}

/** Everything that a site keeps in its bucket for recovery is below this. */
export function recoveryPrefix(site: Site): string {
  return `presslift/${site.name}/`;
}

/** Host name under which a site's snapshots stand in restic. */
export function resticHost(site: Site): string {
  return `presslift-${site.name}`;
}

/**
 * The repository of the site file, or the one in the site's bucket. Nothing is asked of it.
 *
 * @throws PreconditionFailed when the site file names no password, SecretMissing, InvalidSite
 */
export async function repositoryOf(deps: RecoveryCoreDeps, site: Site): Promise<Repository> {
  const { objects } = site.storage;
  const secretFile = (name: string) => `${toolboxPaths.secrets}/${name}`;
  const address = repositoryAddress(site);
  const { credentials, region } = site.backup;
  const keys = await storageKeys(deps.secrets, credentials ?? objects.credentials);
  const caReference = repositoryCa(site);
  const ca = caReference === undefined ? null : await deps.secrets.resolve(caReference);
  return {
    url: withoutCredentials(address),
    env: {
      RESTIC_REPOSITORY_FILE: secretFile('repository'),
      RESTIC_PASSWORD_FILE: secretFile('password'),
      RESTIC_HOST: resticHost(site),
      RESTIC_PROGRESS_FPS: '0.5',
      RESTIC_CACHE_DIR: `${toolboxPaths.work}/cache`,
      AWS_SHARED_CREDENTIALS_FILE: secretFile('object-storage'),
      AWS_DEFAULT_REGION: region ?? storageAddress(objects)?.region ?? objects.region,
      ...(ca !== null && { RESTIC_CACERT: secretFile('object-storage-ca.crt') }),
    },
    secretFiles: {
      repository: address,
      password: await repositoryPassword(deps, site),
      'object-storage': [
        '[default]',
        `aws_access_key_id = ${keys.accessKeyId}`,
        `aws_secret_access_key = ${keys.secretAccessKey.reveal()}`,
        '',
      ].join('\n'),
      ...(ca !== null && { 'object-storage-ca.crt': ca }),
    },
  };
}

/** The bucket of a repository that lies on S3 elsewhere than in the site's bucket, with what opens it; null for any other. */
export function ownBucketOf(site: Site) {
  const { objects } = site.storage;
  const { repository, credentials, region } = site.backup;
  const found = /^s3:(https?:\/\/[^/]+)\/([^/]+)/.exec(repository ?? '');
  const [, endpoint, bucket] = found ?? [];
  if (endpoint === undefined || bucket === undefined) return null;
  return {
    objects: { ...objects, endpoint, bucket, region: region ?? objects.region },
    keys: credentials ?? objects.credentials,
    ca: repositoryCa(site),
  };
}

/** Keys of its own open another place, whose certificate the CA of the site's bucket need not have issued. */
function repositoryCa({ backup, storage }: Site): string | undefined {
  return backup.ca ?? (backup.credentials === undefined ? storage.objects.ca : undefined);
}

/** The password of a site's repository; the catalogue's signing key comes from it too. @throws PreconditionFailed, SecretMissing */
export async function repositoryPassword(deps: RecoveryCoreDeps, site: Site): Promise<string> {
  const { password } = site.backup;
  if (password === undefined) {
    throw failure(
      'PreconditionFailed',
      `The site file of ${site.name} names no backup.password: there is no repository without one`,
    );
  }
  return deps.secrets.resolve(password, 'password');
}

function repositoryAddress(site: Site): string {
  if (site.backup.repository !== undefined) return site.backup.repository;
  const address = storageAddress(site.storage.objects);
  if (address === null) {
    throw failure(
      'InvalidSite',
      `storage.objects.endpoint is needed for provider ${site.storage.objects.provider}`,
    );
  }
  return `s3:${address.endpoint}/${site.storage.objects.bucket}/${recoveryPrefix(site)}restic`;
}

/** `rest:https://user:password@host/` without what stands before the @. */
function withoutCredentials(address: string): string {
  return address.replace(/\/\/[^/@]*@/, '//');
}
