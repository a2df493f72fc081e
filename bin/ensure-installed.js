/**
 * Runs before `npm run demo`, `npm test` and `npm run test:e2e`: installs the dependencies of a fresh clone, or those that
 * a newer lock file asks for. Plain JavaScript, because the Node that runs TypeScript is one of them.
 */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');

/** Time of the last change of a file, or 0 where there is none. */
function changedAt(file) {
  return statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

const installed = changedAt('node_modules/.package-lock.json');
if (installed === 0 || installed < changedAt('package-lock.json')) {
  console.log('Installing the dependencies …');
  // Not `npm ci`: it refuses a lock file without the native packages of every other platform, and not every registry has
  // them all. This installs what the lock file says, too, and leaves it as it is.
  const { status, error } = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (error !== undefined) throw error;
  process.exitCode = status ?? 1;
}
