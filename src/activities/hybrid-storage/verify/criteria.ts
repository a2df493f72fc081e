import type { CriterionResult } from '../../../domain/criterion.ts';
import { failures, type FailureType } from '../../../domain/failures.ts';
import type { Json } from '../../../domain/json.ts';

/** What one measurement found. */
export interface Measurement {
  measured: Json;
  pass: boolean;
  evidence: Json;
}

/**
 * One criterion. What cannot be measured for good is a fail with its reason; what passes by itself (the API server does
 * not answer) is thrown, so that Temporal tries again.
 */
export async function criterion(
  id: string,
  title: string,
  target: Json,
  measure: () => Promise<Measurement>,
): Promise<CriterionResult> {
  try {
    return { id, title, target, ...(await measure()) };
  } catch (error) {
    const { type, message } = error as { type?: string; message: string };
    if (type === undefined || !(type in failures) || failures[type as FailureType].retryable)
      throw error;
    return { id, title, target, measured: null, pass: false, evidence: { type, message } };
  }
}

/** True when the values of a record are all the same and there is at least one. */
export function allSame(values: Record<string, unknown>): boolean {
  const texts = new Set(Object.values(values).map((value) => JSON.stringify(value)));
  return texts.size === 1;
}
