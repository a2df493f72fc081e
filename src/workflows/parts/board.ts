import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { OperationState, OperationStatus } from '../../domain/operation.ts';
import type { DigestedPlan } from '../../domain/plan.ts';
import { searchAttributes } from '../../domain/search-attributes.ts';
import type { BackupState } from '../../domain/search-attributes.ts';
import type { Site } from '../../domain/site/schema.ts';
import { renderDetails } from './details.ts';
import { failure } from './problems.ts';

/** Workflow time as ISO 8601; the same again in a replay. */
export function now(): string {
  return new Date(Date.now()).toISOString();
}

/** The status that an operation starts with. */
export function initialStatus(input: {
  operation: string;
  site: string;
  requestedBy: string | null;
}): OperationStatus {
  const { workflowId, runId, startTime } = workflowInfo();
  return {
    workflowId,
    runId,
    ...input,
    state: 'starting',
    startedAt: startTime.toISOString(),
    steps: [],
    gates: [],
    planDigest: null,
    findings: [],
    drift: [],
    recoveryPoint: null,
    waitingFor: null,
    operatorQuestion: null,
    criteria: [],
    pause: null,
    abort: null,
    ignored: [],
  };
}

/**
 * The one place that knows how far a workflow is. Its status answers the query; every change of it is written to the
 * search attributes and to the Web UI's current details.
 */
export class Board<Status extends OperationStatus = OperationStatus> {
  readonly status: Status;
  plan: DigestedPlan | null = null;
  #site: Site | null = null;
  #shown: { state: string; gate: string } | null = null;

  constructor(status: Status) {
    this.status = status;
    this.refresh();
  }

  /** The resolved site; before it is loaded nothing may ask for it. */
  get site(): Site {
    if (this.#site === null) throw failure('PreconditionFailed', 'The site is not loaded yet.');
    return this.#site;
  }

  get siteIsKnown(): boolean {
    return this.#site !== null;
  }

  setSite(site: Site): void {
    this.#site = site;
  }

  setState(state: OperationState): void {
    this.status.state = state;
    this.refresh();
  }

  /** Shows `state` while `work` runs and the former state after it, however it ends. */
  async during<T>(state: OperationState, work: () => Promise<T>): Promise<T> {
    const former = this.status.state;
    this.setState(state);
    try {
      return await work();
    } finally {
      this.setState(former);
    }
  }

  /** Notes a message that was not followed. */
  ignore(name: string, by: unknown, why: string): void {
    const sender = typeof by === 'string' ? by : null;
    this.status.ignored.push({ name, by: sender, at: now(), why });
    this.refresh();
  }

  /** Shows how it stands with the site's recovery points. */
  showBackup(state: BackupState): void {
    upsertSearchAttributes([{ key: searchAttributes.backup, value: state }]);
  }

  /** To be called after every change of the status. */
  refresh(): void {
    const { status } = this;
    const gate = status.gates.find(({ state }) => state === 'open')?.id ?? 'none';
    if (this.#shown === null) {
      upsertSearchAttributes([
        { key: searchAttributes.site, value: status.site },
        { key: searchAttributes.operation, value: status.operation },
        { key: searchAttributes.state, value: status.state },
        { key: searchAttributes.gate, value: gate },
      ]);
    } else {
      const changed = [
        ...(this.#shown.state === status.state
          ? []
          : [{ key: searchAttributes.state, value: status.state }]),
        ...(this.#shown.gate === gate ? [] : [{ key: searchAttributes.gate, value: gate }]),
      ];
      if (changed.length > 0) upsertSearchAttributes(changed);
    }
    this.#shown = { state: status.state, gate };
    setCurrentDetails(renderDetails(status));
  }
}
