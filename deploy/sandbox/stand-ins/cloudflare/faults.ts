import { z } from 'zod';
import { phaseActions } from './rule-shape.ts';

/** A fault that no request can meet would let a test pass that proves nothing. */
function isPartOfRoute(part: string): boolean {
  const id = '0'.repeat(32);
  const routes = Object.keys(phaseActions).flatMap((phase) => [
    `/zones/${id}/rulesets/phases/${phase}/entrypoint/versions/1`,
  ]);
  routes.push(`/zones/${id}/rulesets/${id}/versions/1`, `/zones/${id}/purge_cache`);
  const general = part.replaceAll(/[0-9a-f]{32}/g, id).replaceAll(/versions\/\d+/g, 'versions/1');
  return part !== '' && routes.some((route) => route.includes(general));
}

const faultSchema = z.strictObject({
  /** HTTP method that it hits; every one when absent. */
  method: z.enum(['GET', 'PUT', 'POST', 'DELETE']).optional(),
  /** Part of the path that it hits; every path when absent. */
  path: z
    .string()
    .refine(isPartOfRoute, {
      error: ({ input }) => `no route of the API has ${String(input)} in its path`,
    })
    .optional(),
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
