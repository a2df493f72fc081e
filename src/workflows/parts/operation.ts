import {
  CancellationScope,
  CancelledFailure,
  allHandlersFinished,
  condition,
  defineQuery,
  setHandler,
} from '@temporalio/workflow';
import type { AllActivities, PlanInput, VisitorReport } from '../../activities/contracts.ts';
import { queries } from '../../domain/messages.ts';
import type {
  OperationInput,
  OperationReport,
  OperationStatus,
  OperationType,
  OperatorDecision,
  OperatorOption,
} from '../../domain/operation.ts';
import type { DigestedPlan, Finding } from '../../domain/plan.ts';
import { runActivity } from './activities.ts';
import { applyPlan, refuseDriftSinceApproval } from './apply.ts';
import { approvePlan, gateSteps } from './approval.ts';
import { Board, initialStatus } from './board.ts';
import { UndoStack } from './compensation.ts';
import { refuseUnworkable } from './change-table.ts';
import type { ChangeTable } from './change-table.ts';
import { Controls } from './controls.ts';
import { checkGatePolicy } from './gate-rules.ts';
import { GateKeeper } from './gate.ts';
import { fullPointSteps } from './full-point.ts';
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
import { outlookFinding, outlookOf, takeNamedPoint } from './recovery-point.ts';
import type { PointOutlook } from './recovery-point.ts';
import { Round } from './round.ts';
import { usualShape } from './shape.ts';
import type { OperationShape } from './shape.ts';
import { loadSite } from './site.ts';
import { StepList, passedOver } from './steps.ts';
import { undoEverything } from './undo.ts';
import { shownReport } from './visitors.ts';
import { verifyAll } from './verify.ts';
import type { VerificationGroup } from './verify.ts';

type Planner = 'planPrerequisites' | 'planHybridStorage' | 'planRollback';
type PlannerInput<P extends Planner> = Parameters<AllActivities[P]>[0];

/**
 * One walk over one site: observe, plan, gate, recovery point, apply, verify, undo. A workflow calls its methods in
 * that order; each is one or more steps of the list that everybody sees.
 */
export class Operation {
  readonly input: OperationInput;
  readonly shape: OperationShape;
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
  #rounds = 0;
  #round: Round | null = null;
  #outlook: PointOutlook | null = null;
  #visitors: VisitorReport | null = null;
  #closing = false;

  constructor(type: OperationType, input: OperationInput, shape: Partial<OperationShape>) {
    this.input = input;
    this.shape = { ...usualShape, ...shape };
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

  /** Reads the site file, refuses what could not be decided later, and takes the site's lock; a plan alone needs none. */
  async open(): Promise<void> {
    const { site: name, planOnly, requestedBy } = this.input;
    const read = { id: 'site', title: `Read the site file ${name}` };
    const locks = this.shape.lock && planOnly !== true;
    this.steps.announce(read, ...(locks ? [this.#lockStep] : []));
    await this.steps.run(read.id, read.title, async () => {
      const { site, digest } = await loadSite(name);
      if (this.shape.gates && planOnly !== true) checkGatePolicy(site, 'apply', requestedBy);
      this.board.setSite(site);
      this.#siteDigest = digest;
    });
    if (locks) await this.takeLock();
  }

  /** Takes the site's lock, for which it may have to wait; as a step of its own. */
  async takeLock({ id, title } = this.#lockStep): Promise<void> {
    await this.steps.run(id, title, () => this.#lock.acquire());
  }

  /** Gives the lock back before the end, where it is not needed for a while or any more. */
  async giveLockBack(): Promise<void> {
    await this.#lock.release();
  }

  get #lockStep() {
    return { id: 'lock', title: `Take the lock of ${this.input.site}` };
  }

  /**
   * Observes and plans; with `planOnly` the operation ends here. Then looks which recovery point can be taken.
   *
   * @param asked what the planner wants to know besides the site.
   * @throws ApplicationFailure `PreconditionFailed` for a plan with an error finding, `PlanMismatch` for a change that
   *   this workflow has no handler for.
   */
  async plan<P extends Planner>(
    planner: P,
    changes: ChangeTable,
    asked: Omit<PlannerInput<P>, keyof PlanInput>,
  ): Promise<void> {
    this.board.setState('observing');
    const { site, status } = this.board;
    const known = { site, siteDigest: this.#siteDigest, operationId: status.workflowId };
    const input = { ...known, ...asked } as PlannerInput<P>;
    const round = new Round((this.#rounds += 1), status);
    const planned = await this.steps.run(
      round.plan.id,
      round.plan.title,
      async (): Promise<DigestedPlan> =>
        runActivity(planner, input, `Observe ${status.site} and plan`),
      ({ digest, plan }) => ({ digest, changes: plan.changes.length }),
    );
    this.#round = round;
    this.#changes = changes;
    this.#outlook = null;
    this.board.plan = planned;
    status.planDigest = planned.digest;
    status.findings = [...planned.plan.findings];
    this.board.refresh();
    if (this.input.planOnly === true) throw new OperationEnded('planned');
    refuseUnworkable(planned.plan, changes);
    if (!this.nothingToDo) await this.#lookAhead(planned, round);
  }

  async #lookAhead({ plan }: DigestedPlan, round: Round): Promise<void> {
    const outlook = await outlookOf(this, round.pointId);
    this.#outlook = outlook;
    this.board.status.findings.push(outlookFinding(outlook));
    this.steps.announce(
      ...gateSteps(this, plan, round),
      ...(this.shape.lock ? [round.lock] : []),
      round.baseline,
      round.recoveryPoint,
      ...(outlook.full ? fullPointSteps(round.named) : []),
      round.visitors,
      ...plan.changes,
    );
  }

  /**
   * A person approves the plan's digest; an empty plan has nothing to approve. See approval.ts. People may take days, and
   * nothing was changed yet: the lock is free meanwhile, for backups above all. What others change then is drift, which is
   * looked for as soon as the lock is taken again.
   */
  async approve(): Promise<void> {
    const { planned, round, outlook } = this.#planned();
    if (outlook === null) {
      for (const { id, title } of gateSteps(this, planned.plan, round)) {
        this.steps.skip(id, title, 'Nothing to change.');
      }
      return;
    }
    if (this.shape.lock) await this.giveLockBack();
    await approvePlan(this, { planned, round, outlook });
    if (this.shape.lock) await this.takeLock(round.lock);
  }

  /** Sees that everything is still as approved, and measures the site as visitors meet it before anything is touched. */
  async measureBaseline(): Promise<void> {
    if (this.nothingToDo) return;
    const { planned, round } = this.#planned();
    this.board.setState('applying');
    await this.insist(
      round.baseline,
      async () => {
        await refuseDriftSinceApproval(this, planned.plan);
        const { id, title } = round.baseline;
        return this.steps.run(
          id,
          title,
          () => runActivity('measureBaseline', { site: this.board.site }, title),
          shownReport,
        );
      },
      () => precautionOptions(this.undo, 'Goes on without a baseline to compare with.'),
    );
  }

  /** Takes the recovery point that was named at the gate; see recovery-point.ts. */
  async takeRecoveryPoint(): Promise<void> {
    const { planned, round, outlook } = this.#planned();
    if (outlook === null) return;
    this.board.status.recoveryPoint = await takeNamedPoint(this, planned.plan, outlook, round);
    this.board.refresh();
  }

  /** Carries out the approved changes in order; see apply.ts. */
  async apply(): Promise<void> {
    if (this.nothingToDo) return;
    const { planned, round } = this.#planned();
    this.board.setState('applying');
    this.#visitors = await applyPlan(this, planned.plan, this.#changes, round.visitors);
  }

  /** Measures the success criteria; see verify.ts. */
  async verify(groups: VerificationGroup[]): Promise<void> {
    this.board.setState('verifying');
    await verifyAll(this, this.#planned().planned.plan, this.#visitors, groups);
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
        this.gates.withdraw(this.#planned().planned.digest);
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
    return this.#planned().planned.plan.changes.length === 0;
  }

  /** Adds something that people should know to what they see. */
  warn(finding: Omit<Finding, 'level'>): void {
    this.board.status.findings.push({ ...finding, level: 'warning' });
    this.board.refresh();
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
      throw closingFailure(broken, this.report('failed'));
    }
    return this.report(outcome);
  }

  async #takeBack(outcome: 'undone' | 'aborted'): Promise<typeof outcome> {
    this.#closing = true;
    this.steps.withdrawPending();
    await CancellationScope.nonCancellable(() => undoEverything(this));
    return outcome;
  }

  async #close(broken: unknown, ending: OperationReport['outcome']): Promise<void> {
    this.#closing = true;
    this.steps.withdrawPending();
    await this.#lock.release();
    const failed = broken !== null && !(broken instanceof CancelledFailure);
    const outcome = failed ? 'failed' : ending;
    this.shape.ended(this, outcome);
    const { site, operation } = this.board.status;
    if (this.shape.tells === null) await this.notices.settled();
    else {
      await this.notices.end({
        kind: failed ? this.shape.tells.failed : this.shape.tells.ended,
        title: `${operation} of ${site}: ${outcome}`,
        body: isOutsideFailure(broken) ? problemOf(broken).message : `The operation is ${outcome}.`,
        commands: [],
      });
    }
    await condition(allHandlersFinished);
    this.board.setState(outcome === 'planned' ? 'done' : outcome);
  }

  #planned(): { planned: DigestedPlan; round: Round; outlook: PointOutlook | null } {
    if (this.board.plan === null || this.#round === null) {
      throw new Error('There is no plan yet; call plan first.');
    }
    return { planned: this.board.plan, round: this.#round, outlook: this.#outlook };
  }
}

/**
 * Opens an operation, runs its walk and reports. The body of every operation's workflow.
 *
 * @param input as one of the checks in input.ts returned it.
 */
export async function runOperation(
  type: OperationType,
  input: OperationInput,
  walk: (operation: Operation) => Promise<void>,
  shape: Partial<OperationShape> = {},
): Promise<OperationReport> {
  return new Operation(type, input, shape).run(walk);
}
