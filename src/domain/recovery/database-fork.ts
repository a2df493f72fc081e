import { operationKey, shortName } from '../kubernetes/names.ts';
import { compactTime } from '../identifiers.ts';
import type { Site } from '../site/schema.ts';

/**
 * Names of what a rollback to a second makes. They follow from the operation, so that a retry finds what an earlier
 * attempt has made, and a person finds it by the operation's id.
 */
export interface ForkNames {
  /** Of the database cluster at the provider: at most 63 lower-case letters, digits and hyphens. */
  cluster: string;
  /** Secret with `username` and `password` of the fork's administrator, and what is needed to go back. */
  secret: string;
  /** Copy of the site's credentials Secret with the fork's password; pods use it after the move. */
  credentials: string;
  /** Copy of the site's CA Secret with the fork's CA in it. */
  ca: string;
}

/** @param time ISO 8601: the second that the fork is as of */
export function forkNames(site: Pick<Site, 'name'>, operationId: string, time: string): ForkNames {
  const key = operationKey(operationId);
  const at = compactTime(new Date(time)).toLowerCase();
  return {
    cluster: shortName(`${site.name.slice(0, 30)}-${at}-${key.slice(0, 6)}`),
    secret: `presslift-fork-${key}`,
    credentials: `presslift-fork-${key}-credentials`,
    ca: `presslift-fork-${key}-ca`,
  };
}
