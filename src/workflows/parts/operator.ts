import {
  ApplicationFailure,
  condition,
  defineSignal,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import { describeDuration, durationMs } from '../../domain/durations.ts';
import { signals, updates } from '../../domain/messages.ts';
import type {
  OperatorDecision,
  OperatorNote,
  OperatorOption,
  OperatorQuestion,
} from '../../domain/operation.ts';
import { now } from './board.ts';
import type { Board } from './board.ts';
import { operatorCommands } from './details.ts';
import type { Notices } from './notices.ts';
import type { Problem } from './problems.ts';
import { sentence } from './problems.ts';

const operator = defineUpdate<OperatorDecision, [OperatorDecision]>(updates.operator);
const actions = ['retry', 'skip', 'compensate'] as const;

type Members = Partial<Record<string, unknown>>;

/** A JSON object's members; none for anything else, so that no message can break a handler. */
export function membersOf(raw: unknown): Members {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? raw : {};
}

/** A text that says something, or null. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null;
}

/** Where a person decides how a stopped operation goes on. */
export class OperatorDesk {
  readonly #board: Board;
  readonly #notices: Notices;
  #answer: OperatorDecision | null = null;

  constructor(board: Board, notices: Notices) {
    this.#board = board;
    this.#notices = notices;
    setHandler(operator, (raw) => this.#record(raw), {
      validator: (raw) => {
        const why = this.#whyNot(raw);
        if (why === null) return;
        throw ApplicationFailure.nonRetryable(`Refused: ${why}.`, 'InvalidInput');
      },
      description: 'How an operation in needs-operator goes on: action, by, reason.',
    });
    for (const action of actions) {
      setHandler(defineSignal<[OperatorNote]>(signals[action]), (raw) => {
        const decision = { ...membersOf(raw), action };
        const why = this.#whyNot(decision);
        if (why === null) this.#record(decision);
        else this.#board.ignore(action, membersOf(raw)['by'], why);
      });
    }
  }

  /** Stops in `needs-operator` until a person says what to do about `problem` in `step`. */
  async ask(step: string, problem: Problem, options: OperatorOption[]): Promise<OperatorDecision> {
    const question: OperatorQuestion = {
      step,
      error: sentence(problem),
      failureType: problem.type,
      options,
      since: now(),
    };
    return this.#board.during('needs-operator', async () => {
      this.#answer = null;
      this.#board.status.operatorQuestion = question;
      this.#board.refresh();
      try {
        await this.#untilAnswered(question);
      } finally {
        this.#board.status.operatorQuestion = null;
      }
      return this.#answer as unknown as OperatorDecision;
    });
  }

  /**
   * Tells people, and reminds them as often as the gate `apply` does; from its deadline on the deputies are asked too. An
   * operation in its middle never goes on by itself, so this has no end of its own.
   */
  async #untilAnswered({ step, error, options }: OperatorQuestion): Promise<void> {
    const { operation, site: name, workflowId } = this.#board.status;
    const { gates, deputies } = this.#board.site.approvals;
    const every = durationMs(gates.apply.remindEvery);
    const deadline = Date.now() + durationMs(gates.apply.deadline);
    const body = [
      error,
      ...options.map(
        ({ action, possible, safe, why }) =>
          `- ${action} (${possible ? (safe ? 'safe' : 'not safe') : 'not possible'}): ${why}`,
      ),
    ].join('\n');
    const commands = operatorCommands(workflowId);
    const tell = (title: string) =>
      this.#notices.send({ kind: 'needs-operator', title, body, commands });
    tell(`${operation} of ${name} needs an operator: ${step}`);
    const summary = `Reminds the operators in ${describeDuration(every)}`;
    while (!(await condition(() => this.#answer !== null, every, { summary }))) {
      const late = Date.now() >= deadline && deputies.length > 0;
      const whom = late ? `Deputies (${deputies.join(', ')}), please answer` : 'Still waiting';
      tell(`${whom}: ${operation} of ${name} needs an operator: ${step}`);
    }
  }

  #whyNot(raw: unknown): string | null {
    const members = membersOf(raw);
    const action = actions.find((known) => known === members['action']);
    if (action === undefined) return `the action must be one of ${actions.join(', ')}`;
    if (textOf(members['by']) === null) return 'it does not say by whom ("by")';
    const question = this.#board.status.operatorQuestion;
    if (question === null || this.#answer !== null) return 'no operator is asked at the moment';
    const option = question.options.find((offered) => offered.action === action);
    if (option === undefined || !option.possible) {
      return `${action} is not possible here${option === undefined ? '' : `: ${option.why}`}`;
    }
    if (action === 'skip' && textOf(members['reason']) === null) {
      return 'skip needs a reason ("reason"), which the report keeps';
    }
    return null;
  }

  #record(raw: unknown): OperatorDecision {
    const members = membersOf(raw);
    const reason = textOf(members['reason']);
    this.#answer = {
      action: members['action'] as OperatorDecision['action'],
      by: members['by'] as string,
      ...(reason === null ? {} : { reason }),
    };
    return this.#answer;
  }
}
