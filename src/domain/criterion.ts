import type { Json } from './json.ts';

/**
 * One measured success criterion. Never a statement of intent: `measured` is what was seen, `evidence` how.
 * What could not be measured is `pass: false` with `measured: null`: no data is a fail.
 */
export interface CriterionResult {
  /** kebab-case, unique in its operation: `plugin-on-every-pod`. */
  id: string;
  title: string;
  measured: Json;
  target: Json;
  pass: boolean;
  evidence: Json;
}
