import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What is waited for may take its time on a busy machine; one second, as is the default, is too little. */
const patient = { poll: { timeout: 45_000 } };

/** End-to-end tests by their numbers, so that the site goes through its phases once; other layers as vitest likes it best. */
class NumberedSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const numbered = files.filter(({ project }) => project.name === 'e2e');
    const others = files.filter(({ project }) => project.name !== 'e2e');
    const name = ({ moduleId }: TestSpecification) => moduleId.split('/').at(-1) ?? '';
    numbered.sort((a, b) => (name(a) < name(b) ? -1 : 1));
    return [...(await super.sort(others)), ...numbered];
  }
}

/** One project a test layer; see docs/guides/testing.md for what each layer proves. */
export default defineConfig({
  test: {
    sequence: { sequencer: NumberedSequencer },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 30_000,
          expect: patient,
        },
      },
      {
        test: {
          name: 'workflows',
          include: ['test/workflows/**/*.test.ts'],
          expect: patient,
          globalSetup: ['test/support/temporal-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'activities',
          include: ['test/activities/**/*.test.ts'],
          expect: patient,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'e2e',
          // Those in long/ take more than an hour: `npm run test:e2e -- --long`.
          include: [
            process.env.PRESSLIFT_E2E_LONG ? 'test/e2e/**/*.test.ts' : 'test/e2e/*.test.ts',
          ],
          testTimeout: 1_200_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          sequence: { concurrent: false },
        },
      },
      {
        test: {
          name: 'replay',
          include: ['test/replay/**/*.test.ts'],
          globalSetup: ['test/support/temporal-setup.ts'],
          testTimeout: 60_000,
        },
      },
    ],
  },
});
