import type { CriterionResult } from '../../domain/criterion.ts';
import { failures } from '../../domain/failures.ts';
import {
  drillCriterion,
  noneMeasured,
  type DrillCriterion,
} from '../../domain/recovery/drill-criteria.ts';
import { failureTypeOf } from '../failure.ts';

/**
 * What a failure of a stage says about the recovery point, as criteria: the one that it stands for has failed, the others of
 * the stage could not be measured.
 *
 * @param byDefault the criterion for failures that say nothing more.
 * @throws the failure itself where it may pass (Unavailable and the like): Temporal tries again.
 */
export function findingsOf(
  error: unknown,
  stage: { byDefault: DrillCriterion; criteria: readonly DrillCriterion[] },
): CriterionResult[] {
  const type = failureTypeOf(error);
  if (type === null || failures[type].retryable) throw error;
  const message = (error as Error).message;
  const id = /repository's data is damaged/i.test(message)
    ? 'repository-data'
    : (byType[type] ?? stage.byDefault);
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

const byType: Partial<Record<string, DrillCriterion>> = {
  Unauthorized: 'repository-keys',
  RepositoryRefused: 'repository-keys',
  SecretMissing: 'repository-keys',
  CatalogueTampered: 'catalogue',
  BackupIncomplete: 'half-finished',
};
