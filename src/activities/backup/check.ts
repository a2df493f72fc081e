import type { CriterionResult } from '../../domain/criterion.ts';
import type { BackupActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster } from '../recovery/deps.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { resultOf, runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupDeps } from './deps.ts';
import { jobName, lockHolders } from './names.ts';

const script = toolboxScript(
  new URL('./scripts/check-repository.sh', import.meta.url),
  'restic',
  'locks',
);

interface CheckResult {
  ok: boolean;
  errors: number;
  packs: number;
  words: string;
  /** Ids of points of which data is damaged, as far as restic could tell. */
  points: string[];
  ms: number;
}

/** `checkRepository`: damage is a failed criterion, and marks the points that it hits. */
export function createCheckActivities(deps: BackupDeps): Pick<BackupActivities, 'checkRepository'> {
  return {
    async checkRepository({ site, id, operationId }): Promise<CriterionResult[]> {
      const repository = await repositoryOf(deps, site);
      const subset = site.backup.readDataSubset;
      const outcome = await runToolboxJob(siteCluster(deps, site), site, {
        name: jobName('check', id),
        operationId,
        script,
        env: { ...repository.env, ...lockHolders(site), SUBSET: subset },
        secretFiles: repository.secretFiles,
        timeoutMs: 5 * 3_600_000,
      });
      const found = resultOf<CheckResult>(outcome, 'the check of the repository');
      if (!found.ok) await markBad(deps, site, found.points, operationId);
      return [
        {
          id: 'repository-sound',
          title: `The repository is whole, and ${subset} of its data is what was written`,
          measured: found.ok ? 0 : Math.max(1, found.errors),
          target: 0,
          pass: found.ok,
          evidence: {
            repository: repository.url,
            ms: found.ms,
            ...(!found.ok && {
              damagedPacks: found.packs,
              points: found.points.slice(0, 20),
              words: found.words,
            }),
          },
        },
      ];
    },
  };
}

async function markBad(deps: BackupDeps, site: Site, points: string[], by: string): Promise<void> {
  const catalogue = await openCatalogue(deps, site);
  try {
    for (const point of points) {
      const bad = { at: deps.now().toISOString(), by, findings: ['repository-sound'] };
      try {
        if ((await catalogue.state(point)).bad === null) await catalogue.setState(point, { bad });
      } catch (error) {
        // A point without a document that can be trusted is offered to nobody.
        const type = failureTypeOf(error);
        if (type !== 'NotFound' && type !== 'CatalogueTampered') throw error;
      }
    }
  } finally {
    catalogue.close();
  }
}
