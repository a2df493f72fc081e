import { readFileSync } from 'node:fs';
import { drillStage, type DrillStageId } from '../../domain/recovery/drill-report.ts';
import type { DrillStage, RecoveryPoint } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { firstWantedAt } from '../activity-context.ts';
import type { DrillInput } from '../contracts.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster, type RecoveryCoreDeps } from '../recovery/deps.ts';
import { toolboxScript } from '../recovery/toolbox.ts';

export interface DrillDeps extends RecoveryCoreDeps {
  /** Whether the workflow with this id is open: its namespace and database are in use then. */
  isRunning(operationId: string): Promise<boolean>;
}

export const clusterOf = (deps: DrillDeps, site: Site): KubernetesClients =>
  siteCluster(deps, site);

const script = (name: string) => new URL(`./scripts/${name}`, import.meta.url);

/** Fixed texts: programs that Jobs and the copy run. */
export const scripts = {
  seal: readFileSync(script('seal.php'), 'utf8'),
  checkPoint: toolboxScript(script('check-point.sh'), 'restic', 'encrypt'),
  readObjects: toolboxScript(script('read-objects.sh'), 'restic', 'encrypt'),
  pages: toolboxScript(script('pages.sh')),
} as const;

/** The point that a drill restores, read and authenticated anew: it never passes through a workflow. */
export async function pointOf(deps: DrillDeps, input: DrillInput): Promise<RecoveryPoint> {
  const catalogue = await openCatalogue(deps, input.site);
  try {
    return await catalogue.read(input.place.point);
  } finally {
    catalogue.close();
  }
}

/**
 * Runs a stage and notes how long it took, also when it fails. A later attempt finds what earlier ones did, and theirs is time
 * that a recovery takes: its stages count from when the first was wanted, rather too long than too short.
 */
export async function timed<T>(
  deps: Pick<DrillDeps, 'now'>,
  stages: DrillStage[],
  id: DrillStageId,
  work: () => Promise<T>,
): Promise<T> {
  const from = firstWantedAt() ?? deps.now().getTime();
  try {
    return await work();
  } finally {
    stages.push(drillStage(id, from, deps.now().getTime()));
  }
}
