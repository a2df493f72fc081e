import type { CriterionResult } from '../../domain/criterion.ts';
import { failures, type FailureType } from '../../domain/failures.ts';
import {
  drillCriterion,
  noneMeasured,
  type DrillCriterion,
} from '../../domain/recovery/drill-criteria.ts';
import { failureTypeOf } from '../failure.ts';

/**
 * What a failure of a stage says about the recovery point, as criteria. A failure that speaks of the data is a finding: the one
 * that it stands for has failed, the others of the stage could not be measured. Any other (a full database server, a missing
 * right, a Job that was killed) says nothing about the point, so nothing of the stage was measured: the drill fails, and
 * the point is not marked.
 *
 * @param byDefault the criterion for data that differs, where the failure does not say in what.
 * @throws the failure itself where it may pass (Unavailable and the like): Temporal tries again.
 */
export function findingsOf(
  error: unknown,
  stage: { byDefault: DrillCriterion; criteria: readonly DrillCriterion[] },
): CriterionResult[] {
  const type = failureTypeOf(error);
  if (type === null || failures[type].retryable) throw error;
  const message = (error as Error).message;
  const id = findingOf(type, message, stage.byDefault);
  if (id === null) {
    return noneMeasured([...new Set([stage.byDefault, ...stage.criteria])], message);
  }
  return [
    drillCriterion(id, {
      pass: false,
      measured: type,
      target: 'no failure',
      evidence: { failure: message },
    }),
    ...noneMeasured(
      stage.criteria.filter((other) => other !== id),
      message,
    ),
  ];
}

/** The criterion that a failure is a finding of; null for one that says nothing about the recovery point. */
function findingOf(
  type: FailureType,
  message: string,
  byDefault: DrillCriterion,
): DrillCriterion | null {
  switch (type) {
    case 'RestoreDiffers':
      return /repository's data is damaged/i.test(message) ? 'repository-data' : byDefault;
    // The repository itself says so; keys that the object storage refuses are another failure.
    case 'RepositoryRefused':
      return 'repository-keys';
    case 'CatalogueTampered':
      return 'catalogue';
    case 'BackupIncomplete':
      return 'half-finished';
    default:
      return null;
  }
}
