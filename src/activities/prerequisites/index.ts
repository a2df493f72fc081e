import { digestOf } from '../../domain/digest.ts';
import {
  databaseCriteria,
  hostnameCriteria,
  objectStorageCriteria,
} from '../../domain/planners/prerequisites-criteria.ts';
import {
  bucketDigest,
  bucketKeysDigest,
  databaseDigest,
  digestOrAbsent,
  hostnamesDigest,
} from '../../domain/planners/prerequisites-observations.ts';
import { planPrerequisites } from '../../domain/planners/prerequisites.ts';
import type { Site } from '../../domain/site/schema.ts';
import type {
  PlanningActivities,
  PrerequisiteActivities,
  VerificationActivities,
} from '../contracts.ts';
import { createBucketChanges } from './bucket-changes.ts';
import { today, type PrerequisiteDeps } from './deps.ts';
import { whileBeating } from './measured.ts';
import { createKeyChanges } from './key-changes.ts';
import {
  observeDatabase,
  observeObjectStorage,
  observePrerequisites,
  observeSiteHostnames,
} from './observe.ts';

export type { PrerequisiteDeps } from './deps.ts';

/** All activities of phase 0: its plan, its changes with their undo, and its criteria. */
export function createPrerequisiteActivities(
  deps: PrerequisiteDeps,
): PrerequisiteActivities &
  Pick<PlanningActivities, 'planPrerequisites'> &
  Pick<VerificationActivities, 'verifyDatabase' | 'verifyObjectStorage' | 'verifyHostnames'> {
  return {
    async planPrerequisites({ site, siteDigest }) {
      const facts = await whileBeating(() => observePrerequisites(deps, site));
      const plan = planPrerequisites({ site, siteDigest, facts });
      return { plan, digest: digestOf(plan) };
    },

    ...createBucketChanges(deps),
    ...createKeyChanges(deps),

    verifyDatabase: ({ site }) =>
      whileBeating(async () =>
        databaseCriteria(await observeDatabase(deps, site, { prove: true })),
      ),

    verifyObjectStorage: ({ site }) =>
      whileBeating(async () =>
        objectStorageCriteria(site, await observeObjectStorage(deps, site, { prove: true })),
      ),

    verifyHostnames: ({ site }) =>
      whileBeating(async () =>
        hostnameCriteria(site, await observeSiteHostnames(deps, site), today(deps)),
      ),
  };
}

/** Looks again at one observed thing and digests it as the plan did; null when it is not there. */
export type Observer = (site: Site, key: string) => Promise<string | null>;

/** For `detectDrift`: who looks, by the part of the observation's key before the first colon. */
export function createPrerequisiteObservers(deps: PrerequisiteDeps): Record<string, Observer> {
  const storage = (site: Site) => observeObjectStorage(deps, site, { prove: false });
  return {
    bucket: async (site) => digestOrAbsent(bucketDigest(await storage(site))),
    'bucket-keys': async (site) => digestOrAbsent(bucketKeysDigest(await storage(site))),
    database: async (site) => databaseDigest(await observeDatabase(deps, site, { prove: false })),
    hostnames: async (site) => hostnamesDigest(await observeSiteHostnames(deps, site)),
  };
}
