import type { DrillActivities } from '../contracts.ts';
import { createBootDrillSite } from './boot.ts';
import type { DrillDeps } from './deps.ts';
import { createOpenDrill } from './place.ts';
import { createRecordDrill } from './record.ts';
import { createCheckDrillRepository } from './repository.ts';
import { createDrillRestore } from './restore.ts';
import { createCheckDrillSite } from './site.ts';
import { createDrillRemoval } from './sweep.ts';

export type { DrillDeps } from './deps.ts';

/** Activities of `restoreDrill`. */
export function createDrillActivities(deps: DrillDeps): DrillActivities {
  return {
    ...createOpenDrill(deps),
    ...createCheckDrillRepository(deps),
    ...createDrillRestore(deps),
    ...createBootDrillSite(deps),
    ...createCheckDrillSite(deps),
    ...createRecordDrill(deps),
    ...createDrillRemoval(deps),
  };
}
