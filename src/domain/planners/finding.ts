import type { Json } from '../json.ts';
import type { Finding, FindingLevel } from '../plan.ts';

/** A finding from its parts, in the order in which one reads them. */
export function finding(
  level: FindingLevel,
  id: string,
  message: string,
  advice: string | null,
  evidence: Json = null,
): Finding {
  return { id, level, message, advice, evidence };
}
