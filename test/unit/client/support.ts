/** A status and a plan as a workflow answers them, and a terminal that only remembers. */
import type { GateStatus } from '../../../src/domain/gate.ts';
import type { OperationStatus, Step } from '../../../src/domain/operation.ts';
import type { Change } from '../../../src/domain/plan.ts';
import { plainPaint, type Terminal } from '../../../src/client/terminal.ts';

export const digest = `sha256:${'ab'.repeat(32)}`;

export function step(id: string, state: Step['state'], extra: Partial<Step> = {}): Step {
  const startedAt = state === 'pending' ? null : '2026-03-01T12:00:00.000Z';
  const endedAt = state === 'pending' || state === 'running' ? null : '2026-03-01T12:00:04.200Z';
  return { id, title: `Do ${id}`, state, startedAt, endedAt, result: null, error: null, ...extra };
}

export function gate(extra: Partial<GateStatus> = {}): GateStatus {
  return {
    id: 'apply',
    state: 'open',
    question: 'Apply 2 changes?',
    digest,
    quorum: 2,
    approvers: ['alice', 'bob'],
    deputies: ['carol'],
    escalated: false,
    twoPerson: true,
    openedAt: '2026-03-01T12:00:05.000Z',
    deadline: '2026-03-04T12:00:05.000Z',
    closedAt: null,
    decisions: [],
    refused: [],
    ...extra,
  };
}

export function status(extra: Partial<OperationStatus> = {}): OperationStatus {
  return {
    workflowId: 'acme/hybridStorage',
    runId: 'run-1',
    operation: 'hybridStorage',
    site: 'acme',
    state: 'applying',
    requestedBy: 'dana',
    startedAt: '2026-03-01T12:00:00.000Z',
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
    ...extra,
  };
}

export function change(extra: Partial<Change> = {}): Change {
  return {
    id: 'scale-out',
    title: 'Run two replicas',
    target: 'Deployment acme/wordpress',
    before: { spec: { replicas: 1 } },
    after: { spec: { replicas: 2 } },
    risk: 'high',
    riskReason: 'Visitors reach both.',
    undo: { possible: true, how: 'Scale back to one.' },
    touches: [],
    params: {},
    ...extra,
  };
}

export interface Remembered extends Terminal {
  output: string[];
  notes: string[];
}

/** Answers questions with the given lines, one after the other. */
export function fakeTerminal(answers: string[] | null = null): Remembered {
  const output: string[] = [];
  const notes: string[] = [];
  return {
    output,
    notes,
    out: (text) => void output.push(text),
    note: (text) => void notes.push(text),
    paint: plainPaint,
    interactive: answers !== null,
    redraws: false,
    columns: () => 100,
    rows: () => 20,
    write: (text) => void output.push(text),
    ask: async (question) => {
      notes.push(question);
      return answers?.shift() ?? null;
    },
  };
}
