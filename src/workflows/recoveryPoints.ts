import type { RecoveryPointsAnswers, RecoveryPointsInput } from '../domain/recovery/request.ts';
import { answerAbout } from './parts/catalogue.ts';
import { checkRecoveryPointsInput } from './parts/input.ts';
import { versioned } from './parts/versioning.ts';

// A run stays on the code it started with: it does one thing.
versioned('PINNED', recoveryPoints);

/**
 * One thing to do with a site's catalogue: `list`, `show`, `pin`, `unpin`, `verify` one, or `prune` what is past its
 * time. Only `prune` removes something, and holds the site's lock for it. Returns what the activity answers, as JSON.
 */
export async function recoveryPoints(
  input: RecoveryPointsInput,
): Promise<RecoveryPointsAnswers[RecoveryPointsInput['action']]> {
  return answerAbout(checkRecoveryPointsInput(input));
}
