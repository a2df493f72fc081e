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
  interrupted: { code: 130, meaning: 'Interrupted from the keyboard; workflows go on.' },
} as const satisfies Record<string, { code: number; meaning: string }>;

export type ExitName = keyof typeof exitCodes;

/** The table as `presslift help exit-codes` shows it. */
export function exitCodeTable(): string {
  return Object.values(exitCodes)
    .map(({ code, meaning }) => `${String(code).padStart(5)}  ${meaning}`)
    .join('\n');
}
