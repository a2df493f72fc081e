import { afterAll, beforeAll, inject } from 'vitest';
import { Harness } from './temporal-harness.ts';
import type { WorkerTweaks } from './temporal-harness.ts';

/** One server and one worker for all tests of a file; every test uses a site of its own. */
export function useHarness(workerOptions?: WorkerTweaks): () => Harness {
  let harness: Harness | null = null;
  beforeAll(async () => {
    harness = await Harness.start(inject('testServer'), inject('workflowBundle'), workerOptions);
  });
  afterAll(async () => harness?.stop());
  return () => {
    if (harness === null) throw new Error('the harness is not started');
    return harness;
  };
}
