import type { FailureType } from '../domain/failures.ts';

/** What the command line ends with; the same meaning for every command. */
export const exitCodes = {
  done: { code: 0, meaning: 'Done; everything asked for is so.' },
  failed: {
    code: 1,
    meaning: 'The operation failed, was undone or aborted, or a criterion was not met.',
  },
  usage: {
    code: 2,
    meaning: 'Bad input: command line, environment or site file. Nothing was done.',
  },
  waiting: {
    code: 3,
    meaning: 'A person is waited for: at a gate, by an operator question, paused.',
  },
  refused: {
    code: 4,
    meaning: 'A decision was refused, or the operation ended rejected or expired.',
  },
  unreachable: {
    code: 5,
    meaning: 'Temporal does not answer, refuses the credentials, or no worker runs.',
  },
  notFound: {
    code: 6,
    meaning:
      'There is no such site, workflow, recovery point, schedule, open gate or operator question.',
  },
  alreadyRunning: { code: 7, meaning: 'The same operation runs for this site already.' },
  declined: { code: 8, meaning: 'Asked before doing it, somebody said no; nothing was done.' },
  interrupted: { code: 130, meaning: 'Interrupted from the keyboard; workflows go on.' },
} as const satisfies Record<string, { code: number; meaning: string }>;

export type ExitName = keyof typeof exitCodes;

/** Failures that mean something else to a script than that the work went wrong. */
const exitsOfFailures = new Map<string | null, ExitName>([
  ['InvalidInput', 'usage'],
  ['InvalidSite', 'usage'],
  ['NotFound', 'notFound'],
  ['GateRejected', 'refused'],
  ['GateExpired', 'refused'],
] satisfies [FailureType, ExitName][]);

/** What a command about a workflow ends with when that failed with this type; null for one that Presslift does not know. */
export function exitOfFailure(type: string | null): ExitName {
  return exitsOfFailures.get(type) ?? 'failed';
}

/** The table as `presslift help exit-codes` shows it. */
export function exitCodeTable(): string {
  return Object.values(exitCodes)
    .map(({ code, meaning }) => `${String(code).padStart(5)}  ${meaning}`)
    .join('\n');
}
