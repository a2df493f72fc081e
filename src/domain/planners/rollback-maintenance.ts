import type { Change } from '../plan.ts';
import type { RollbackSituation } from './rollback-situation.ts';

function maintenanceChange(
  { site }: RollbackSituation,
  id: string,
  rest: Pick<Change, 'title' | 'before' | 'after' | 'risk' | 'riskReason' | 'undo'>,
): Change {
  return { id, target: `Site ${site.name}`, touches: [], params: {}, ...rest };
}

/** Every pod that runs now answers with the maintenance page. */
export function beginMaintenance(situation: RollbackSituation): Change {
  return maintenanceChange(situation, 'begin-maintenance', {
    title: 'Answer visitors with the maintenance page, on every pod',
    before: { maintenance: false },
    after: { maintenance: true },
    risk: 'high',
    riskReason:
      'Visitors get status 503 until it ends or their pod is replaced; this was asked for. It ends by itself after an hour.',
    undo: { possible: true, how: 'Maintenance mode is ended.' },
  });
}

/** New pods come without the file that says it. */
export function renewMaintenance(situation: RollbackSituation): Change {
  return maintenanceChange(situation, 'renew-maintenance', {
    title: 'Answer visitors with the maintenance page on the new pods, too',
    before: { maintenance: false },
    after: { maintenance: true },
    risk: 'low',
    riskReason: 'It was asked for, and the database goes back next.',
    undo: {
      possible: true,
      how: 'Taking back the begin of maintenance mode ends it on every pod.',
    },
  });
}

/** Visitors get the site again. */
export function endMaintenance(situation: RollbackSituation): Change {
  return maintenanceChange(situation, 'end-maintenance', {
    title: 'End maintenance mode on every pod',
    before: { maintenance: true },
    after: { maintenance: false },
    risk: 'low',
    riskReason: 'Visitors get the site again.',
    undo: { possible: true, how: 'Maintenance mode is begun again, for the rest of the way back.' },
  });
}
