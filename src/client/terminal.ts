import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Paints a text for a terminal, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

export const plainPaint: Paint = (_style, text) => text;

/** Where a command reads and writes; tests give another one. */
export interface Terminal {
  /** A result, on standard output. */
  out: (text: string) => void;
  /** Progress and remarks, on standard error. */
  note: (text: string) => void;
  paint: Paint;
  /** A person can be asked: input and output are a terminal. */
  interactive: boolean;
  /** Standard output is a terminal that can be redrawn. */
  redraws: boolean;
  columns(): number;
  rows(): number;
  /** Raw text on standard output, for redrawing. */
  write(text: string): void;
  /** Asks for a line; null when `signal` ends the question or input ends. */
  ask(question: string, signal?: AbortSignal): Promise<string | null>;
}

/** The terminal of this process. Colours follow NO_COLOR and FORCE_COLOR. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  // A reader such as `head` that goes away is no failure.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  return {
    out: (text) => void stdout.write(`${text}\n`),
    note: (text) => void stderr.write(`${text}\n`),
    paint: (style, text) => styleText(style, text, { stream: stdout }),
    interactive: stdin.isTTY && stderr.isTTY,
    redraws: stdout.isTTY,
    columns: () => stdout.columns ?? 100,
    rows: () => stdout.rows ?? 40,
    write: (text) => void stdout.write(text),
    ask: async (question, signal) => {
      // Questions go to standard error, so that `--json` on standard output stays JSON.
      const lines = createInterface({ input: stdin, output: stderr });
      const ended = new Promise<null>((resolve) => lines.once('close', () => resolve(null)));
      const interrupted = new Promise<never>((_, reject) =>
        lines.once('SIGINT', () => reject(new InterruptedError())),
      );
      try {
        const answer = lines
          .question(question, signal === undefined ? {} : { signal })
          .catch(() => null);
        return await Promise.race([answer, ended, interrupted]);
      } finally {
        lines.close();
      }
    },
  };
}

/** Ctrl-C at a question. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/**
 * Text from outside (names of plugins, messages of servers) without control characters, so that it cannot move the
 * cursor, hide lines of a plan or colour them.
 */
export function printable(text: string): string {
  return text.replaceAll(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    '�',
  );
}

/** Lines of text, indented. */
export function indent(text: string, spaces: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(spaces));
}
