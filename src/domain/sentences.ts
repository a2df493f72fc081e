/** Texts one after the other, each a sentence of its own: where one has no mark at its end it gets a full stop. */
export function sentences(...texts: string[]): string {
  const ended = texts.map((text) => text.trim()).filter((text) => text !== '');
  return ended.map((text) => (/[.!?…:]["')\]]?$/.test(text) ? text : `${text}.`)).join(' ');
}
