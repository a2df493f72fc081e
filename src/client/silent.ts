import { explain } from './errors.ts';
import { printable, type Paint } from './terminal.ts';

/** A workflow that could not say where it is, such as one whose code its worker cannot replay. */
export interface Silent {
  workflowId: string;
  doesNotAnswer: string;
}

/**
 * Waits for the answers of workflows and keeps apart the ones that do not answer, so that one of them hides no other.
 *
 * @throws the first error when none answers because worker or Temporal are away
 */
export async function settled<T>(
  workflowIds: string[],
  asked: Promise<T>[],
): Promise<{ answers: T[]; silent: Silent[] }> {
  const results = await Promise.allSettled(asked);
  const answers = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const broken = results.flatMap((one, index) =>
    one.status === 'rejected'
      ? [{ workflowId: workflowIds[index] ?? '', error: one.reason as unknown }]
      : [],
  );
  const [first] = broken;
  const away = broken.every(({ error }) => explain(error).exit === 'unreachable');
  if (first !== undefined && answers.length === 0 && away) throw first.error;
  return {
    answers,
    silent: broken.map(({ workflowId, error }) => ({
      workflowId,
      doesNotAnswer: explain(error).message,
    })),
  };
}

/** `acme/hybridStorage does not answer: …` */
export function silentText({ workflowId, doesNotAnswer }: Silent, paint: Paint): string {
  return `${workflowId} ${paint('red', 'does not answer')}: ${printable(doesNotAnswer)}`;
}
