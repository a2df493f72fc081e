import type { Json } from '../../domain/json.ts';
import { printable } from '../terminal.ts';

/** A value on one line, cut where it is long. */
export function short(value: Json, length = 100): string {
  const text = printable(typeof value === 'string' ? value : JSON.stringify(value));
  const line = text.replaceAll(/\s*\n\s*/g, ' ');
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}
