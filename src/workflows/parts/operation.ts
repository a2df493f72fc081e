import {
  CancellationScope,
  CancelledFailure,
  allHandlersFinished,
  condition,
  defineQuery,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { VisitorReport } from '../../activities/contracts.ts';
import { queries } from '../../domain/messages.ts';
import type {
  OperationInput,
  OperationReport,
  OperationStatus,
  OperationType,
  OperatorDecision,
  OperatorOption,
} from '../../domain/operation.ts';
import type { DigestedPlan } from '../../domain/plan.ts';
import { runActivity } from './activities.ts';
import { applyPlan, refuseDriftSinceApproval } from './apply.ts';
import { Board, initialStatus } from './board.ts';
import { UndoStack } from './compensation.ts';
import { refuseUnworkable } from './change-table.ts';
import type { ChangeTable } from './change-table.ts';
import { Controls } from './controls.ts';
import { checkGatePolicy } from './gate-rules.ts';
import { GateKeeper } from './gate.ts';
import { checkOperationInput } from './input.ts';
import { LockClient } from './lock-client.ts';
import { Notices } from './notices.ts';
import { OperatorDesk } from './operator.ts';
import { precautionOptions } from './options.ts';
import {
  CompensationAsked,
  DriftedBeforeChange,
  OperationEnded,
  closingFailure,
  isOutsideFailure,
  isStop,
  problemOf,
  sentence,
} from './problems.ts';
import type { Problem } from './problems.ts';
import { loadSite } from './site.ts';
import { StepList, passedOver } from './steps.ts';
import { undoEverything } from './undo.ts';
import { verifyAll } from './verify.ts';
import type { VerificationGroup } from './verify.ts';

type Planner = 'planPrerequisites' | 'planHybridStorage';

/**
 * One walk over one site: observe, plan, gate, recovery point, apply, verify, undo. A workflow calls its methods in
 * that order; each is one or more steps of the list that everybody sees.
 */
export class Operation {
  readonly input: OperationInput;
  readonly board: Board;
  readonly steps: StepList;
  readonly notices: Notices;
  readonly gates: GateKeeper;
  readonly desk: OperatorDesk;
  readonly controls: Controls;
  readonly undo = new UndoStack();
  readonly #lock: LockClient;
  readonly #work = new CancellationScope();
  #siteDigest = '';
  #changes: ChangeTable = {};
  /** Plans made so far; steps and recovery points of the second and later ones carry the number. */
  #round = 0;
  #visitors: VisitorReport | null = null;
  #closing = false;

  constructor(type: OperationType, input: OperationInput) {
    this.input = input;
    const requestedBy = input.requestedBy ?? null;
    this.board = new Board(initialStatus({ operation: type, site: input.site, requestedBy }));
    this.steps = new StepList(this.board);
    this.notices = new Notices(this.board);
    this.gates = new GateKeeper(this.board, this.notices);
    this.desk = new OperatorDesk(this.board, this.notices);
    this.#lock = new LockClient(this.board);
    this.controls = new Controls(this.board, {
      refuseAbort: () => (this.#closing ? 'it is ending already' : null),
      abort: () => this.#work.cancel(),
    });
    setHandler(defineQuery<OperationStatus>(queries.status), () => this.board.status);
    setHandler(defineQuery<DigestedPlan | null>(queries.plan), () => this.board.plan);
  }

  /** Reads the site file, refuses what could not be decided later, and takes the site's lock. */
  async open(): Promise<void> {
    const { site: name, planOnly, requestedBy } = this.input;
    this.steps.announce(
      { id: 'site', title: `Read the site file ${name}` },
      { id: 'lock', title: `Take the lock of ${name}` },
    );
    await this.steps.run('site', `Read the site file ${name}`, async () => {
      const { site, digest } = await loadSite(name);
      if (planOnly !== true) checkGatePolicy(site, 'apply', requestedBy);
      this.board.setSite(site);
      this.#siteDigest = digest;
    });
    await this.steps.run('lock', `Take the lock of ${name}`, () => this.#lock.acquire());
  }

  /**
   * Observes and plans. With `planOnly` the operation ends here.
   *
   * @throws ApplicationFailure `PreconditionFailed` for a plan with an error finding, `PlanMismatch` for a change that
   *   this workflow has no handler for.
   */
  async plan(planner: Planner, changes: ChangeTable): Promise<void> {
    this.#round += 1;
    this.#changes = changes;
    this.board.setState('observing');
    const { site, status } = this.board;
    const input = { site, siteDigest: this.#siteDigest, operationId: status.workflowId };
    const planned = await this.steps.run(
      this.#inRound('plan'),
      'Observe and plan',
      () => runActivity(planner, input, `Observe ${status.site} and plan`),
      ({ digest, plan }) => ({ digest, changes: plan.changes.length }),
    );
    this.board.plan = planned;
    status.planDigest = planned.digest;
    status.findings = [...planned.plan.findings];
    this.board.refresh();
    if (this.input.planOnly === true) throw new OperationEnded('planned');
    refuseUnworkable(planned.plan, changes);
    const { gate, baseline, recoveryPoint, visitors } = this.#stepsOfRound();
    if (!this.nothingToDo) {
      this.steps.announce(gate, baseline, recoveryPoint, visitors, ...planned.plan.changes);
    }
  }

  /** A person approves the plan's digest; an empty plan has nothing to approve. */
  async approve(gate: 'apply'): Promise<void> {
    const { plan, digest } = this.#planned();
    const { site, operation } = this.board.status;
    const { id, title } = this.#stepsOfRound().gate;
    if (this.nothingToDo) {
      this.steps.skip(id, title, 'Nothing to change.');
      return;
    }
    const count = plan.changes.length;
    this.board.setState('waiting-for-approval');
    const closed = await this.steps.run(
      id,
      title,
      () =>
        this.gates.ask({
          id: gate,
          kind: gate,
          digest,
          question: `Apply ${count} change${count === 1 ? '' : 's'} of ${operation} to ${site}?`,
          body: plan.changes
            .map((change) => `- ${change.title} (${change.target}; risk ${change.risk})`)
            .join('\n'),
        }),
      ({ state, decisions }) => ({ state, by: decisions.map(({ approver }) => approver) }),
    );
    if (closed.state === 'approved') return;
    this.steps.fail(id, `The gate is ${closed.state}.`, { state: closed.state });
    throw new OperationEnded(closed.state === 'rejected' ? 'rejected' : 'expired');
  }

  /** Sees that everything is still as approved, and measures the site as visitors meet it before anything is touched. */
  async measureBaseline(): Promise<void> {
    if (this.nothingToDo) return;
    const { plan } = this.#planned();
    this.board.setState('applying');
    const step = this.#stepsOfRound().baseline;
    await this.insist(
      step,
      async () => {
        await refuseDriftSinceApproval(this, plan);
        return this.steps.run(
          step.id,
          step.title,
          () => runActivity('measureBaseline', { site: this.board.site }, step.title),
          ({ failures, ...counts }) => ({ ...counts, failures: failures.slice(0, 3) }),
        );
      },
      () => precautionOptions(this.undo, 'Goes on without a baseline to compare with.'),
    );
  }

  /** Takes the recovery point, under an id that sorts by the start of this run. */
  async takeRecoveryPoint(): Promise<void> {
    if (this.nothingToDo) return;
    const { plan } = this.#planned();
    const { status, site } = this.board;
    const id = this.#inRound(recoveryPointId(status));
    const operationId = status.workflowId;
    const step = this.#stepsOfRound().recoveryPoint;
    status.recoveryPoint = await this.insist(
      step,
      () =>
        this.steps.run(
          step.id,
          step.title,
          () => runActivity('takeRecoveryPoint', { site, id, operationId, plan }, step.title),
          (point) => ({ id: point.id, contains: point.contains, missing: point.missing }),
        ),
      () =>
        precautionOptions(
          this.undo,
          'Goes on without a recovery point; only the undo of each change protects the site then.',
        ),
    );
    this.board.refresh();
  }

  /** Carries out the approved changes in order; see apply.ts. */
  async apply(): Promise<void> {
    if (this.nothingToDo) return;
    const { plan } = this.#planned();
    this.board.setState('applying');
    this.#visitors = await applyPlan(this, plan, this.#changes, this.#stepsOfRound().visitors);
  }

  /** Measures the success criteria; see verify.ts. */
  async verify(groups: VerificationGroup[]): Promise<void> {
    this.board.setState('verifying');
    await verifyAll(this, this.#planned().plan, this.#visitors, groups);
  }

  /**
   * Runs `work` up to its end with one approved plan. When something drifts before the first change, nothing was done
   * yet: the approval is void, and `work` starts over with a new plan and a new gate.
   */
  async untilNothingDrifts(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (!(error instanceof DriftedBeforeChange)) throw error;
        this.gates.withdraw(this.#planned().digest);
        this.steps.withdrawPending();
      }
    }
  }

  /**
   * Runs `work` until it succeeds; whenever it fails for good a person decides. Null when the person passes over it.
   * Whatever runs may run again, so it has to be idempotent.
   */
  async insist<T>(
    step: { id: string; title: string },
    work: () => Promise<T>,
    options: () => OperatorOption[],
  ): Promise<T | null> {
    for (;;) {
      await this.controls.holdWhilePaused();
      try {
        return await work();
      } catch (error) {
        if (isStop(error) || !isOutsideFailure(error)) throw error;
        const problem = problemOf(error);
        this.steps.fail(step.id, sentence(problem), null);
        const answer = await this.askOrCompensate(step.id, problem, options());
        if (answer.action === 'retry') continue;
        this.steps.skip(step.id, step.title, passedOver(answer));
        return null;
      }
    }
  }

  /** Asks the operator, or takes everything back at once where the input says so and it is possible. */
  async askOrCompensate(
    step: string,
    problem: Problem,
    options: OperatorOption[],
  ): Promise<OperatorDecision> {
    const possible = options.some(({ action, possible }) => action === 'compensate' && possible);
    if (this.input.onFailure === 'compensate' && possible) throw new CompensationAsked();
    const answer = await this.desk.ask(step, problem, options);
    if (answer.action === 'compensate') throw new CompensationAsked();
    return answer;
  }

  get nothingToDo(): boolean {
    return this.#planned().plan.changes.length === 0;
  }

  report(outcome: OperationReport['outcome']): OperationReport {
    const { status, plan } = this.board;
    return {
      site: status.site,
      operation: status.operation,
      outcome,
      alreadyThere: plan !== null && plan.plan.changes.length === 0,
      planDigest: status.planDigest,
      steps: status.steps,
      criteria: status.criteria,
      findings: status.findings,
      recoveryPoint: status.recoveryPoint,
    };
  }

  /** Runs the whole walk and brings it to an end in every case: undone where needed, lock released, people told. */
  async run(walk: (operation: this) => Promise<void>): Promise<OperationReport> {
    let outcome: OperationReport['outcome'] = 'done';
    let broken: unknown = null;
    try {
      await this.#work.run(async () => {
        await this.open();
        await walk(this);
        // What was under way when somebody stopped it may have come to its end all the same.
        if (this.#work.consideredCancelled) throw new CancelledFailure('Stopped');
      });
    } catch (error) {
      if (error instanceof OperationEnded) outcome = error.outcome;
      else if (error instanceof CompensationAsked) outcome = await this.#takeBack('undone');
      else if (this.#work.consideredCancelled && isOutsideFailure(error)) {
        outcome = await this.#takeBack('aborted');
        if (this.board.status.abort === null) broken = new CancelledFailure('Cancelled');
      } else if (isOutsideFailure(error)) broken = error;
      else throw error;
    }
    await CancellationScope.nonCancellable(() => this.#close(broken, outcome));
    if (broken instanceof CancelledFailure) throw broken;
    if (isOutsideFailure(broken)) {
      throw closingFailure(broken);
    }
    return this.report(outcome);
  }

  async #takeBack(outcome: 'undone' | 'aborted'): Promise<typeof outcome> {
    this.#closing = true;
    this.steps.withdrawPending();
    await CancellationScope.nonCancellable(() => undoEverything(this));
    return outcome;
  }

  async #close(broken: unknown, outcome: OperationReport['outcome']): Promise<void> {
    this.#closing = true;
    this.steps.withdrawPending();
    await this.#lock.release();
    const failed = broken !== null && !(broken instanceof CancelledFailure);
    const { site, operation } = this.board.status;
    const word = failed ? 'failed' : outcome;
    this.notices.send({
      kind: 'finished',
      title: `${operation} of ${site}: ${word}`,
      body: isOutsideFailure(broken) ? problemOf(broken).message : `The operation is ${word}.`,
      commands: [],
    });
    await this.notices.settled();
    await condition(allHandlersFinished);
    this.board.setState(failed ? 'failed' : outcome === 'planned' ? 'done' : outcome);
  }

  #planned(): DigestedPlan {
    if (this.board.plan === null) throw new Error('There is no plan yet; call plan first.');
    return this.board.plan;
  }

  /** The steps between a plan and its changes. */
  #stepsOfRound() {
    const recoveryPoint = this.#inRound(recoveryPointId(this.board.status));
    return {
      gate: { id: this.#inRound('gate-apply'), title: 'Approval of the plan' },
      baseline: { id: this.#inRound('baseline'), title: 'Measure what visitors meet before' },
      recoveryPoint: {
        id: this.#inRound('recovery-point'),
        title: `Take the recovery point ${recoveryPoint}`,
      },
      visitors: { id: this.#inRound('visitors'), title: 'Watch what visitors meet' },
    };
  }

  #inRound(id: string): string {
    return this.#round <= 1 ? id : `${id}-${this.#round}`;
  }
}

/** Opens an operation, runs its walk and reports. The body of every operation's workflow. */
export async function runOperation(
  type: OperationType,
  input: OperationInput,
  walk: (operation: Operation) => Promise<void>,
): Promise<OperationReport> {
  return new Operation(type, checkOperationInput(input)).run(walk);
}

/** `20261123T180000Z-acme-hybridStorage`: sorts by time, says whose it is, and is the same in a replay. */
function recoveryPointId({ site, operation }: OperationStatus): string {
  const start = workflowInfo().startTime.toISOString();
  return `${start.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${site}-${operation}`;
}
