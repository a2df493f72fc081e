import { inspect } from 'node:util';

const REDACTED = '[secret]';

/** A value that shows itself only when asked by `reveal()`: not in JSON, not in logs, not in string templates. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/** A record of secret values that can be read by key, but shows only its keys in JSON and in logs. */
export function concealed(values: Record<string, string>): Record<string, string> {
  const shown = () =>
    Object.fromEntries(Object.keys(values).map((key) => [key, REDACTED] as const));
  return Object.defineProperties(
    { ...values },
    { toJSON: { value: shown }, [inspect.custom]: { value: shown } },
  );
}
