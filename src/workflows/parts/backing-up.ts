import type { CriterionResult } from '../../domain/criterion.ts';
import type { OperationInput, OperationReport } from '../../domain/operation.ts';
import type { Finding } from '../../domain/plan.ts';
import type { RecoveryPointReason, Sentinel } from '../../domain/recovery/point.ts';
import type { BackupReport } from '../../domain/recovery/request.ts';
import { runActivity } from './activities.ts';
import { fullPointSteps, POINTS_LOST, takeFullPoint } from './full-point.ts';
import { runOperation } from './operation.ts';
import type { Operation } from './operation.ts';
import { failure, isOutsideFailure, isStop } from './problems.ts';
import { recoveryPointId } from './round.ts';
import { shortfall } from './verify.ts';

const retention = { id: 'retention', title: 'Remove recovery points past their time' };
const check = { id: 'check-repository', title: 'Check the repository' };

/** The steps of `backup` after it has the lock. */
export class BackingUp {
  sentinel: Sentinel | null = null;
  readonly #operation: Operation;
  readonly #reason: RecoveryPointReason;
  #point = '';

  constructor(operation: Operation, reason: RecoveryPointReason) {
    this.#operation = operation;
    this.#reason = reason;
  }

  /** Takes a full recovery point; see full-point.ts. */
  async takePoint(): Promise<void> {
    const { board, steps } = this.#operation;
    const first = recoveryPointId(board.status);
    let copies = 0;
    const nextId = () => ((copies += 1) === 1 ? first : `${first}-${copies}`);
    const named = (id: string) => id;
    const step = { id: 'recovery-point', title: `Take the recovery point ${first}` };
    steps.announce(step, ...fullPointSteps(named));
    if (this.#reason !== 'drill') steps.announce(retention, check);
    board.setState('applying');
    const { ref, sentinel } = await steps.run(
      step.id,
      step.title,
      () => takeFullPoint(this.#operation, { nextId, named, reason: this.#reason }),
      ({ ref: { id, contains, missing } }) => ({ id, contains, missing }),
    );
    this.#point = ref.id;
    this.sentinel = sentinel;
    board.status.recoveryPoint = ref;
    board.refresh();
  }

  /**
   * Removes what is past its time, then reads and checks the wanted part of the repository; the check also where the
   * removal failed.
   *
   * @throws ApplicationFailure `RepositoryDamaged`; what the activities throw, the removal's first.
   */
  async careForRepository(): Promise<void> {
    const { board, controls, steps } = this.#operation;
    const { site, status } = board;
    const input = { site, id: this.#point, operationId: status.workflowId };
    board.setState('verifying');
    const broken: unknown[] = [];
    await controls.holdWhilePaused();
    try {
      await steps.run(
        retention.id,
        retention.title,
        () => runActivity('applyRetention', input, retention.title),
        ({ kept, removed }) => ({ kept, removed }),
      );
    } catch (error) {
      if (isStop(error) || !isOutsideFailure(error)) throw error;
      broken.push(error);
    }
    await controls.holdWhilePaused();
    await steps.run(
      check.id,
      check.title,
      async () => {
        const measured = await runActivity('checkRepository', input, check.title);
        const lost = status.findings.find(({ id }) => id === POINTS_LOST);
        const criteria = lost === undefined ? measured : [...measured, pointsLost(lost)];
        status.criteria = criteria;
        const missed = shortfall(criteria);
        if (missed === null) return criteria;
        const taken = `The recovery point ${this.#point} was taken, but its repository is ${lost === undefined ? 'damaged' : 'not what it was'}.`;
        throw failure('RepositoryDamaged', `${taken} ${missed}`);
      },
      (criteria: CriterionResult[]) => criteria.map(({ id, pass }) => ({ id, pass })),
    );
    if (broken.length > 0) throw broken[0];
  }
}

/** The backup has ended well for the site as it is, and people have to hear all the same what they cannot go back to. */
function pointsLost({ message }: Finding): CriterionResult {
  return {
    id: POINTS_LOST,
    title: 'The repository holds the recovery points of before',
    measured: null,
    target: true,
    pass: false,
    evidence: message,
  };
}

/** Runs a backup to its end in every case and reports. The body of the workflow `backup`. */
export async function backUp(
  input: OperationInput,
  reason: RecoveryPointReason,
  work: (backingUp: BackingUp) => Promise<void>,
): Promise<BackupReport> {
  const written: { sentinel: Sentinel | null } = { sentinel: null };
  const report = await runOperation(
    'backup',
    input,
    async (operation) => {
      const backingUp = new BackingUp(operation, reason);
      await work(backingUp);
      written.sentinel = backingUp.sentinel;
    },
    { gates: false, tells: { ended: 'finished', failed: 'backup-late' }, ended: showOutcome },
  );
  return { ...report, ...written };
}

/** A backup that somebody stopped says nothing new about the site's recovery points. */
function showOutcome({ board }: Operation, outcome: OperationReport['outcome']): void {
  if (outcome === 'done') board.showBackup('fresh');
  if (outcome === 'failed') board.showBackup('failed');
}
