import { ApplicationFailure } from '@temporalio/common';
import { digestOf } from '../../domain/digest.ts';
import type { FailureType } from '../../domain/failures.ts';
import { SiteFileError } from '../../domain/site/issues.ts';
import type { SiteActivities } from '../contracts.ts';
import { loadSiteFile, SiteNameError, SiteNotFoundError } from './load-site.ts';

export interface SiteDependencies {
  /** Folder of the site files. */
  sitesDir: string;
}

/** Activities that read site files. They touch nothing but the worker's own disk. */
export function createSiteActivities({ sitesDir }: SiteDependencies): SiteActivities {
  return {
    async loadSite({ name }) {
      try {
        const site = await loadSiteFile(sitesDir, name);
        return { site, digest: digestOf(site) };
      } catch (error) {
        const type = failureType(error);
        if (type === null) throw error;
        throw ApplicationFailure.create({
          message: (error as Error).message,
          type,
          nonRetryable: true,
        });
      }
    },
  };
}

function failureType(error: unknown): FailureType | null {
  if (error instanceof SiteFileError) return 'InvalidSite';
  if (error instanceof SiteNameError) return 'InvalidInput';
  if (error instanceof SiteNotFoundError) return 'NotFound';
  return null;
}
