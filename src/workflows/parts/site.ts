import type { Site } from '../../domain/site/schema.ts';
import { runActivity } from './activities.ts';
import { failure, isOutsideFailure, isStop, problemOf } from './problems.ts';

/**
 * The resolved site by its name, with its digest.
 *
 * @throws ApplicationFailure `InvalidInput` when there is no such site; ActivityFailure for a site file with errors.
 */
export async function loadSite(name: string): Promise<{ site: Site; digest: string }> {
  try {
    return await runActivity('loadSite', { name }, `Read the site file ${name}`);
  } catch (error) {
    if (isStop(error) || !isOutsideFailure(error)) throw error;
    const { type, message } = problemOf(error);
    if (type !== 'NotFound') throw error;
    throw failure('InvalidInput', `There is no site ${name}. ${message}`);
  }
}
