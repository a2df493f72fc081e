import { z } from 'zod';

const faultSchema = z.strictObject({
  /** HTTP method that it hits; every one when absent. */
  method: z.enum(['GET', 'PUT', 'POST']).optional(),
  /** Part of the path that it hits; every path when absent. */
  path: z.string().min(1).optional(),
  /** How many requests it hits; every one until it is taken away when absent. */
  times: z.int().min(1).optional(),
  what: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('answer'),
      status: z.int().min(400).max(599),
      code: z.int().optional(),
      message: z.string().optional(),
      retryAfterSeconds: z.int().min(0).optional(),
    }),
    /** An answer of something in between: HTML. */
    z.strictObject({ kind: z.literal('not-json'), status: z.int().min(200).max(599) }),
    /** Any JSON with status 200, such as what is no envelope of the API. */
    z.strictObject({ kind: z.literal('json'), body: z.json() }),
    /** Ends the connection before anything was done. */
    z.strictObject({ kind: z.literal('drop-request') }),
    /** Does what was asked and ends the connection without an answer. */
    z.strictObject({ kind: z.literal('drop-answer') }),
    z.strictObject({ kind: z.literal('delay'), ms: z.int().min(1) }),
  ]),
});

/** One way to misbehave. */
export type Fault = z.output<typeof faultSchema>;

export const faultsSchema = z.array(faultSchema);

/** The faults that are switched on, in their order; the first that hits a request wins. */
export class Faults {
  #faults: Fault[] = [];

  set(faults: readonly Fault[]): void {
    this.#faults = structuredClone([...faults]);
  }

  list(): readonly Fault[] {
    return this.#faults;
  }

  /** The fault for a request, counted; undefined for none. */
  take(method: string, path: string): Fault['what'] | undefined {
    const index = this.#faults.findIndex(
      (fault) =>
        (fault.method === undefined || fault.method === method) &&
        (fault.path === undefined || path.includes(fault.path)),
    );
    const fault = this.#faults[index];
    if (!fault) return undefined;
    if (fault.times !== undefined) fault.times -= 1;
    if (fault.times === 0) this.#faults.splice(index, 1);
    return fault.what;
  }
}
