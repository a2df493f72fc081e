import {
  CancellationScope,
  CancelledFailure,
  ParentClosePolicy,
  allHandlersFinished,
  condition,
  defineQuery,
  isCancellation,
  setHandler,
  startChild,
} from '@temporalio/workflow';
import type { ChildWorkflowHandle } from '@temporalio/workflow';
import { workflowIds } from '../../domain/identifiers.ts';
import { queries, signals } from '../../domain/messages.ts';
import type {
  OperationInput,
  OperationReport,
  OperatorNote,
  RoadmapChild,
  RoadmapInput,
  RoadmapReport,
  RoadmapStatus,
} from '../../domain/operation.ts';
import type { DigestedPlan } from '../../domain/plan.ts';
import { summaryLine } from './activities.ts';
import { Board, initialStatus } from './board.ts';
import { Controls } from './controls.ts';
import { childProblem } from './child.ts';
import { checkGatePolicy } from './gate-rules.ts';
import { GateKeeper } from './gate.ts';
import { checkRoadmapInput } from './input.ts';
import { Notices } from './notices.ts';
import type { Phase } from './phases.ts';
import { closingFailure, isOutsideFailure, problemOf } from './problems.ts';
import { loadSite } from './site.ts';
import { StepList } from './steps.ts';

type Outcome = OperationReport['outcome'];
type PhaseHandle = ChildWorkflowHandle<(input: OperationInput) => Promise<OperationReport>>;
type JourneyInput = ReturnType<typeof checkRoadmapInput>;

/** A phase ended otherwise than done, or a person said no-go: the journey ends with that outcome. */
class JourneyEnded extends Error {
  override name = 'JourneyEnded';
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

/**
 * One walk along the roadmap. It changes nothing by itself: phases are children that take the site's lock, ask their
 * own gates and undo themselves.
 */
export class Journey {
  readonly input: JourneyInput;
  readonly #board: Board<RoadmapStatus>;
  readonly #steps: StepList;
  readonly #notices: Notices;
  readonly #gates: GateKeeper;
  readonly #controls: Controls;
  readonly #work = new CancellationScope();
  readonly #reports: OperationReport[] = [];
  #child: PhaseHandle | null = null;
  #closing = false;

  constructor(input: JourneyInput) {
    this.input = input;
    const requestedBy = input.requestedBy ?? null;
    const status = initialStatus({ operation: 'roadmap', site: input.site, requestedBy });
    this.#board = new Board<RoadmapStatus>({ ...status, children: [] });
    this.#steps = new StepList(this.#board);
    this.#notices = new Notices(this.#board);
    this.#gates = new GateKeeper(this.#board, this.#notices);
    this.#controls = new Controls(this.#board, {
      pause: (note) => this.#forward(signals.pause, note),
      resume: (note) => this.#forward(signals.resume, note),
      refuseAbort: () => (this.#closing ? 'it is ending already' : null),
      abort: (note) => this.#abort(note),
    });
    setHandler(defineQuery<RoadmapStatus>(queries.status), () => this.#board.status);
    setHandler(defineQuery<DigestedPlan | null>(queries.plan), () => null);
  }

  /** Reads the site file and refuses gates that nobody could pass, before any phase starts. */
  async open(): Promise<void> {
    const { site: name, from, to, planOnly, requestedBy } = this.input;
    const title = `Read the site file ${name}`;
    await this.#steps.run('site', title, async () => {
      const { site } = await loadSite(name);
      if (planOnly !== true) {
        checkGatePolicy(site, 'apply', requestedBy);
        if (from < to) checkGatePolicy(site, 'go-no-go', requestedBy);
      }
      this.#board.setSite(site);
    });
  }

  /** Runs one phase to its end. A phase that does not end as done ends the journey. */
  async phase(phase: Phase): Promise<OperationReport> {
    const id = `phase-${phase.number}`;
    const title = `Phase ${phase.number}: ${phase.title}`;
    await this.#controls.holdWhilePaused();
    this.#board.setState('applying');
    const report = await this.#steps.run(
      id,
      title,
      () => this.#run(phase),
      ({ outcome, alreadyThere, planDigest }) => ({ outcome, alreadyThere, planDigest }),
    );
    this.#reports.push(report);
    const { status } = this.#board;
    status.findings = [...status.findings, ...report.findings];
    status.criteria = [...status.criteria, ...report.criteria];
    this.#board.refresh();
    if (report.outcome !== 'done' && report.outcome !== 'planned') {
      this.#steps.fail(id, `The phase ended as ${report.outcome}.`, { outcome: report.outcome });
      throw new JourneyEnded(report.outcome);
    }
    // An abort that came too late for the phase still stops what would come after it.
    if (status.abort !== null) throw new JourneyEnded('aborted');
    return report;
  }

  /**
   * Asks whether to go on to the next phase. The digest of this gate is that of the plan which the finished phase
   * carried out: with it an approver says which state of the site he has looked at. A run that only plans goes on.
   */
  async goOrNoGo(finished: Phase, report: OperationReport, next: Phase): Promise<void> {
    if (this.input.planOnly === true) return;
    const id = `go-no-go-${finished.number}`;
    this.#board.setState('waiting-for-approval');
    const passed = report.criteria.filter(({ pass }) => pass).length;
    const gate = await this.#steps.run(
      id,
      `Go on to phase ${next.number}: ${next.title}`,
      () =>
        this.#gates.ask({
          id,
          kind: 'go-no-go',
          digest: report.planDigest ?? 'none',
          question: `Phase ${finished.number} is done with ${passed} of ${report.criteria.length} criteria met; go on to phase ${next.number} (${next.title})?`,
          body: report.criteria
            .map((criterion) => `- ${criterion.pass ? 'met' : 'NOT met'}: ${criterion.title}`)
            .join('\n'),
        }),
      ({ state, decisions }) => ({ state, by: decisions.map(({ approver }) => approver) }),
    );
    if (gate.state === 'approved') return;
    this.#steps.fail(id, `The gate is ${gate.state}.`, { state: gate.state });
    throw new JourneyEnded(gate.state === 'rejected' ? 'rejected' : 'expired');
  }

  /** Runs the journey and brings it to an end in every case. */
  async run(walk: (journey: this) => Promise<void>): Promise<RoadmapReport> {
    let outcome: Outcome = this.input.planOnly === true ? 'planned' : 'done';
    let broken: unknown = null;
    try {
      await this.#work.run(async () => {
        await this.open();
        await walk(this);
      });
    } catch (error) {
      if (error instanceof JourneyEnded) outcome = error.outcome;
      else if (this.#work.consideredCancelled && isOutsideFailure(error)) {
        outcome = 'aborted';
        if (this.#board.status.abort === null) broken = new CancelledFailure('Cancelled');
      } else if (isOutsideFailure(error)) broken = error;
      else throw error;
    }
    await CancellationScope.nonCancellable(() => this.#close(broken, outcome));
    if (broken instanceof CancelledFailure) throw broken;
    if (isOutsideFailure(broken)) {
      throw closingFailure(broken);
    }
    return this.#report(outcome);
  }

  async #run(phase: Phase): Promise<OperationReport> {
    const { site, requestedBy, planOnly, onFailure } = this.input;
    const workflowId = workflowIds.operation(site, phase.operation);
    const child: RoadmapChild = {
      phase: phase.number,
      operation: phase.operation,
      workflowId,
      runId: null,
      outcome: null,
    };
    this.#board.status.children.push(child);
    const input: OperationInput = { site, requestedBy, planOnly, onFailure };
    try {
      this.#child = await startChild<(input: OperationInput) => Promise<OperationReport>>(
        phase.operation,
        {
          workflowId,
          args: [input],
          staticSummary: summaryLine(`Phase ${phase.number} (${phase.title}) of ${site}`),
          // When the roadmap is terminated by hand, the phase under way is asked to stop, and so undoes itself, instead
          // of going on without anybody who waits for it or being cut off with half of its changes made.
          parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        },
      );
      child.runId = this.#child.firstExecutionRunId;
      child.outcome = 'running';
      this.#board.refresh();
      const report = await this.#child.result();
      child.outcome = report.outcome;
      return report;
    } catch (error) {
      if (isOutsideFailure(error)) {
        child.outcome = isCancellation(error) ? 'aborted' : 'failed';
        this.#board.refresh();
      }
      throw childProblem(error, workflowId);
    } finally {
      this.#child = null;
    }
  }

  /** Passes a signal on to the phase under way; one that has just ended needs it no more. */
  async #forward(signal: 'pause' | 'resume' | 'abort', note: OperatorNote): Promise<void> {
    try {
      await this.#child?.signal(signal, note);
    } catch (error) {
      if (!isOutsideFailure(error)) throw error;
    }
  }

  /** A phase under way is told and waited for, so that it undoes itself; without one the journey just ends. */
  async #abort(note: OperatorNote): Promise<void> {
    if (this.#child === null) this.#work.cancel();
    else await this.#forward(signals.abort, note);
  }

  async #close(broken: unknown, outcome: Outcome): Promise<void> {
    this.#closing = true;
    const failed = broken !== null && !(broken instanceof CancelledFailure);
    const word = failed ? 'failed' : outcome;
    await this.#notices.end({
      kind: 'finished',
      title: `Roadmap of ${this.#board.status.site}: ${word}`,
      body: isOutsideFailure(broken) ? problemOf(broken).message : `The roadmap is ${word}.`,
      commands: [],
    });
    await condition(allHandlersFinished);
    this.#board.setState(failed ? 'failed' : outcome === 'planned' ? 'done' : outcome);
  }

  #report(outcome: Outcome): RoadmapReport {
    const { status } = this.#board;
    return {
      site: status.site,
      operation: status.operation,
      outcome,
      alreadyThere: this.#reports.every(({ alreadyThere }) => alreadyThere),
      planDigest: this.#reports.at(-1)?.planDigest ?? null,
      steps: status.steps,
      criteria: status.criteria,
      findings: status.findings,
      recoveryPoint: this.#reports.at(-1)?.recoveryPoint ?? null,
      phases: this.#reports,
    };
  }
}

/** Checks the input, walks along the roadmap and reports. The body of the workflow `roadmap`. */
export async function runJourney(
  input: RoadmapInput,
  walk: (journey: Journey) => Promise<void>,
): Promise<RoadmapReport> {
  return new Journey(checkRoadmapInput(input)).run(walk);
}
