import type { VerificationActivities, VisitorReport } from '../../activities/contracts.ts';
import type { CriterionResult } from '../../domain/criterion.ts';
import type { Plan } from '../../domain/plan.ts';
import { whyUnmeasured } from '../../domain/recovery/drill-criteria.ts';
import { runActivity } from './activities.ts';
import type { Operation } from './operation.ts';
import { criteriaOptions } from './options.ts';
import { failure } from './problems.ts';

/** Success criteria that one activity measures; one step of the list. */
export interface VerificationGroup {
  activity: keyof VerificationActivities;
  title: string;
}

/** More would make a message that nobody reads; the report has them all. */
const MOST_DESCRIBED = 10;

/** Which criteria were not met, as sentences, or null when all were. None at all is a fail. */
export function shortfall(criteria: CriterionResult[]): string | null {
  if (criteria.length === 0) return 'No criterion was measured.';
  const missed = criteria.filter(({ pass }) => !pass);
  if (missed.length === 0) return null;
  const described = missed.slice(0, MOST_DESCRIBED).map(describeMissed);
  const more = missed.length - described.length;
  return `${missed.length} of ${criteria.length} criteria not met. ${described.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`;
}

function describeMissed(criterion: CriterionResult): string {
  const { title, measured, target, evidence } = criterion;
  if (measured === null && typeof evidence === 'string') return `${title}: ${evidence}`;
  const unmeasured = whyUnmeasured(criterion);
  if (unmeasured !== null) return `${title}: not measured, ${unmeasured}`;
  return `${title}: measured ${JSON.stringify(measured)}, wanted ${JSON.stringify(target)}`;
}

/**
 * Measures the success criteria, one step a group. What is not met stops the operation until a person has it measured
 * again, accepts it with a reason (a warning in the report, `pass` stays false) or has everything taken back.
 */
export async function verifyAll(
  operation: Operation,
  plan: Plan,
  visitors: VisitorReport | null,
  groups: VerificationGroup[],
): Promise<void> {
  const steps = groups.map(({ activity, title }) => ({ id: stepId(activity), title }));
  operation.steps.announce(...steps);
  for (const group of groups) await verifyGroup(operation, plan, visitors, group);
}

/** `verifySharedStorage` → `verify-shared-storage`. */
function stepId(activity: string): string {
  return activity.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

async function verifyGroup(
  operation: Operation,
  plan: Plan,
  visitors: VisitorReport | null,
  { activity, title }: VerificationGroup,
): Promise<void> {
  const { board, steps, undo } = operation;
  const id = stepId(activity);
  const input = { site: board.site, operationId: board.status.workflowId, plan, visitors };
  let missed: string | null = null;
  const measured = await operation.insist(
    { id, title },
    () =>
      steps.run(
        id,
        title,
        async () => {
          const criteria = await runActivity(activity, input, title);
          keep(board.status.criteria, criteria);
          missed = shortfall(criteria);
          if (missed !== null) throw failure('SiteBroken', missed);
          return criteria;
        },
        (criteria) => criteria.map(({ id: criterion, pass }) => ({ id: criterion, pass })),
      ),
    () => criteriaOptions(undo),
  );
  if (measured !== null) return;
  board.status.findings = [
    ...board.status.findings,
    {
      id: `accepted-${id}`,
      level: 'warning',
      message: `Accepted although not met (${title}): ${missed ?? 'it could not be measured.'}`,
      advice: null,
      evidence: steps.resultOf(id),
    },
  ];
  board.refresh();
}

/** Puts new measurements in the place of earlier ones of the same criteria. */
export function keep(known: CriterionResult[], measured: CriterionResult[]): void {
  for (const criterion of measured) {
    const place = known.findIndex(({ id }) => id === criterion.id);
    if (place < 0) known.push(criterion);
    else known[place] = criterion;
  }
}
