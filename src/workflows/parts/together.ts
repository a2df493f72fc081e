import { CancellationScope } from '@temporalio/workflow';

/**
 * Runs works side by side, all or none: as soon as one fails the others are cancelled and waited for, so that nothing
 * is under way any more when this ends.
 *
 * @throws what the first of them threw.
 */
export async function together<Results extends unknown[]>(works: {
  [Index in keyof Results]: () => Promise<Results[Index]>;
}): Promise<Results> {
  const scope = new CancellationScope();
  const failed: { error: unknown }[] = [];
  return scope.run(async () => {
    const results = await Promise.all(
      works.map(async (work) => {
        try {
          return await work();
        } catch (error) {
          failed.push({ error });
          scope.cancel();
          return null;
        }
      }),
    );
    const [first] = failed;
    if (first !== undefined) throw first.error;
    return results as Results;
  });
}
