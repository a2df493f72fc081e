import {
  ApplicationFailure,
  condition,
  currentUpdateInfo,
  defineSignal,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import { describeDuration, durationMs } from '../../domain/durations.ts';
import type { DecideInput, Decision, DecisionInput, GateStatus } from '../../domain/gate.ts';
import { signals, updates } from '../../domain/messages.ts';
import { summaryLine } from './activities.ts';
import { now } from './board.ts';
import type { Board } from './board.ts';
import { gateCommands } from './details.ts';
import { readDecision, refusal, verdict } from './gate-rules.ts';
import type { GateKind } from './gate-rules.ts';
import type { Notices } from './notices.ts';

const decide = defineUpdate<Decision, [DecideInput]>(updates.decide);
const approve = defineSignal<[DecisionInput]>(signals.approve);
const reject = defineSignal<[DecisionInput]>(signals.reject);

/** What a gate asks. */
export interface GateQuestion {
  /** Its id, and where its policy stands in the site file. */
  id: string;
  kind: GateKind;
  question: string;
  digest: string;
  /** Markdown for the message to the approvers. */
  body: string;
}

/**
 * The gates of one workflow. Handlers only record; `ask` waits. Decisions come by the Update `decide`, which refuses
 * what does not count, or by the signals `approve` and `reject`, where a refusal is kept with its reason.
 */
export class GateKeeper {
  readonly #board: Board;
  readonly #notices: Notices;
  #signalled = 0;

  constructor(board: Board, notices: Notices) {
    this.#board = board;
    this.#notices = notices;
    setHandler(decide, (raw) => this.#record(readDecision(raw).input, 'update'), {
      validator: (raw) => {
        const why = this.#whyNot(raw);
        if (why === null) return;
        throw ApplicationFailure.nonRetryable(`Decision refused: ${why}.`, 'InvalidInput');
      },
      description: 'A decision on the open gate: gate, digest, approver, decision, reason.',
    });
    setHandler(approve, (raw) => this.#signal(raw, 'approve'));
    setHandler(reject, (raw) => this.#signal(raw, 'reject'));
  }

  /**
   * Opens a gate and waits: for the approvers until the deadline with reminders, then as long again for the deputies
   * too, then it expires. Who does not answer has not agreed.
   */
  async ask(question: GateQuestion): Promise<GateStatus> {
    const { approvals } = this.#board.site;
    const policy = approvals.gates[question.kind];
    const length = durationMs(policy.deadline);
    const gate: GateStatus = {
      id: question.id,
      state: 'open',
      question: question.question,
      body: question.body,
      digest: question.digest,
      quorum: policy.quorum,
      approvers: [...approvals.approvers],
      deputies: [...approvals.deputies],
      escalated: false,
      twoPerson: policy.twoPerson,
      openedAt: now(),
      deadline: new Date(Date.now() + length).toISOString(),
      closedAt: null,
      decisions: [],
      refused: [],
    };
    this.#board.status.gates.push(gate);
    this.#board.refresh();
    this.#tell('gate-opened', gate, question.body);
    try {
      await this.#untilDecided(gate, length, durationMs(policy.remindEvery), question.body);
    } catch (error) {
      this.#close(gate, 'withdrawn');
      throw error;
    }
    this.#close(gate, verdict(gate) ?? 'expired');
    this.#tell('gate-closed', gate, `The gate is ${gate.state}.`);
    return gate;
  }

  /** Takes back the approvals that were given to a state that is no more. */
  withdraw(digest: string): void {
    for (const gate of this.#board.status.gates) {
      if (gate.digest === digest) this.#close(gate, 'withdrawn');
    }
  }

  async #untilDecided(
    gate: GateStatus,
    length: number,
    every: number,
    body: string,
  ): Promise<void> {
    if (await this.#round(gate, Date.now() + length, every, body)) return;
    gate.escalated = true;
    gate.deadline = new Date(Date.now() + length).toISOString();
    this.#board.refresh();
    this.#tell('gate-escalated', gate, body);
    await this.#round(gate, Date.now() + length, every, body);
  }

  /** One round of waiting; true when the gate was decided in it. */
  async #round(gate: GateStatus, until: number, every: number, body: string): Promise<boolean> {
    const decided = () => verdict(gate) !== null;
    for (let left = until - Date.now(); left > 0; left = until - Date.now()) {
      const wait = Math.min(every, left);
      const summary = summaryLine(
        wait === left
          ? `Gate ${gate.id}: ${gate.escalated ? 'closes' : 'deputies are asked'} in ${describeDuration(wait)}`
          : `Gate ${gate.id}: reminder in ${describeDuration(wait)}`,
      );
      if (await condition(decided, wait, { summary })) return true;
      if (Date.now() < until) this.#tell('gate-reminder', gate, body);
    }
    return false;
  }

  #close(gate: GateStatus, state: GateStatus['state']): void {
    gate.state = state;
    gate.closedAt ??= now();
    this.#board.refresh();
  }

  #tell(
    kind: 'gate-opened' | 'gate-reminder' | 'gate-escalated' | 'gate-closed',
    gate: GateStatus,
    body: string,
  ): void {
    const titles = {
      'gate-opened': `Approval wanted: ${gate.question}`,
      'gate-reminder': `Still waiting for approval: ${gate.question}`,
      'gate-escalated': `Deputies, please decide: ${gate.question}`,
      'gate-closed': `Gate ${gate.id} is ${gate.state}: ${gate.question}`,
    };
    const open = gate.state === 'open';
    const commands = open ? gateCommands(this.#board.status.workflowId, gate) : [];
    this.#notices.send({ kind, title: titles[kind], body, commands });
  }

  #whyNot(raw: unknown, decision?: DecideInput['decision']): string | null {
    const { input, malformed } = readDecision(raw, decision);
    if (malformed !== null) return malformed;
    const gate = this.#find(input.gate);
    if (gate === undefined) return `there is no gate ${input.gate}`;
    return refusal(gate, input, this.#board.status.requestedBy);
  }

  /** The gate of that id: the open one, else the one that closed last. */
  #find(id: string): GateStatus | undefined {
    const named = this.#board.status.gates.filter((gate) => gate.id === id);
    return named.find(({ state }) => state === 'open') ?? named.at(-1);
  }

  #signal(raw: DecisionInput, decision: DecideInput['decision']): void {
    const { input } = readDecision(raw, decision);
    const why = this.#whyNot(raw, decision);
    if (why === null) {
      this.#record(input, 'signal');
      return;
    }
    const gate = this.#find(input.gate);
    if (gate === undefined) this.#board.ignore(decision, input.approver, why);
    else gate.refused.push({ ...input, at: now(), via: 'signal', refusal: why });
    this.#board.refresh();
  }

  #record(input: DecideInput, via: Decision['via']): Decision {
    const decision: Decision = {
      id: currentUpdateInfo()?.id ?? `signal-${(this.#signalled += 1)}`,
      gate: input.gate,
      digest: input.digest,
      decision: input.decision,
      approver: input.approver,
      reason: input.reason ?? null,
      at: now(),
      via,
    };
    this.#find(input.gate)?.decisions.push(decision);
    this.#board.refresh();
    return decision;
  }
}
