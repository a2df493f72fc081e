/**
 * `npm run test:e2e`: brings a new sandbox up (building what is not cached), runs the end-to-end tests on it and takes it
 * down again. What an earlier sandbox kept is gone then: operations of an interrupted run would go on, and hold the site's
 * lock. `--keep` works on the sandbox that is there and leaves it up, `--long` runs those in long/ too; other arguments go
 * to vitest (a file name runs that file alone).
 */
import { sandboxDown, sandboxReset, sandboxUp } from '../../deploy/sandbox/engine.ts';
import { buildGoPrograms, defaultCacheDir } from '../../deploy/sandbox/build/go-programs.ts';
import { runLayer, summarize } from '../support/vitest-run.ts';

const keep = process.argv.includes('--keep');
const args = process.argv.slice(2).filter((arg) => arg !== '--keep' && arg !== '--long');
const long = process.argv.includes('--long') || args.some((arg) => arg.includes('e2e/long/'));
if (long) process.env.PRESSLIFT_E2E_LONG = 'yes';

if (!keep) await sandboxReset();
await sandboxUp({ install: true });
await buildGoPrograms({ names: ['k6'], cacheDir: defaultCacheDir() });
const result = await runLayer('e2e', { args });
if (!keep) await sandboxDown();
process.exit(summarize([result]));
