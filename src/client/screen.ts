import type { Terminal } from './terminal.ts';

export interface Screen {
  /** Replaces what is shown; where it does not fit, its first line and its end. */
  draw(text: string): void;
  /** Gives the terminal back as it was. Once more does nothing. */
  close(): void;
}

const ALTERNATE = '\u001b[?1049h';
const NORMAL = '\u001b[?1049l';
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
// Long lines are cut at the edge; wrapped ones would push the top out of sight.
const NO_WRAP = '\u001b[?7l';
const WRAP = '\u001b[?7h';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** The terminal's other screen, so that what was there comes back on `close`, also after Ctrl-C. */
export function createScreen(terminal: Terminal): Screen {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    process.removeListener('exit', close);
    terminal.write(`${WRAP}${SHOW_CURSOR}${NORMAL}`);
  };
  process.on('exit', close);
  terminal.write(`${ALTERNATE}${HIDE_CURSOR}${NO_WRAP}`);
  return {
    draw(text) {
      if (!open) return;
      const [first = '', ...rest] = text.split('\n');
      const room = Math.max(3, terminal.rows()) - 1;
      const left = rest.length + 1 - room;
      // What is under way and asked stands at the end, so the middle is left out.
      const shown =
        left <= 0
          ? [first, ...rest]
          : [first, `… ${left + 1} lines are not shown`, ...rest.slice(left + 1)];
      const body = shown.map((line) => `${line}${CLEAR_LINE}`).join('\n');
      terminal.write(`${HOME}${body}\n${CLEAR_BELOW}`);
    },
    close,
  };
}
