import { defineQuery, setHandler, workflowInfo } from '@temporalio/workflow';
import { describeDuration } from '../../domain/durations.ts';
import { queries } from '../../domain/messages.ts';
import type { OperationStatus } from '../../domain/operation.ts';
import type { BackupWatchInput, BackupWatchReport } from '../../domain/recovery/request.ts';
import type { BackupState } from '../../domain/search-attributes.ts';
import { runActivity } from './activities.ts';
import { Board, initialStatus } from './board.ts';
import { Notices } from './notices.ts';
import { membersOf } from './operator.ts';
import { closingFailure, isOutsideFailure, isStop, problemOf, sentence } from './problems.ts';
import { loadSite } from './site.ts';
import { StepList } from './steps.ts';

/** What was seen of a site's recovery points, and what there is to say about it. */
interface Sight extends Omit<BackupWatchReport, 'told'> {
  news: string;
}

/** The body of the workflow `backupWatch`. */
export async function watchBackup({ site: name }: BackupWatchInput): Promise<BackupWatchReport> {
  const board = new Board(
    initialStatus({ operation: 'backupWatch', site: name, requestedBy: null }),
  );
  setHandler(defineQuery<OperationStatus>(queries.status), () => board.status);
  const steps = new StepList(board);
  const notices = new Notices(board);
  try {
    await steps.run('site', `Read the site file ${name}`, async () => {
      board.setSite((await loadSite(name)).site);
    });
  } catch (error) {
    if (isStop(error) || !isOutsideFailure(error)) throw error;
    // Nobody can be told: who to tell stands in the site file.
    board.showBackup('failed');
    board.setState('failed');
    throw closingFailure(error);
  }
  board.setState('observing');
  const { news, ...seen } = await look(board, steps);
  board.showBackup(seen.state);
  const told = await tellOnce(notices, board, seen.state, news);
  board.setState('done');
  return { ...seen, told };
}

async function look(board: Board, steps: StepList): Promise<Sight> {
  const { site } = board;
  const title = 'Look how old the newest recovery point is';
  try {
    const { newest, ageSeconds, late } = await steps.run(
      'age',
      title,
      () => runActivity('measureBackupAge', { site }, title),
      (age) => ({ ...age }),
    );
    const news =
      newest === null || ageSeconds === null
        ? `There is no sound recovery point of ${site.name}.`
        : `The newest sound recovery point of ${site.name}, ${newest}, is ${describeDuration(ageSeconds * 1_000)} old; at most ${site.backup.maxAge} is wanted.`;
    return { state: late ? 'late' : 'fresh', newest, ageSeconds, news };
  } catch (error) {
    if (isStop(error) || !isOutsideFailure(error)) throw error;
    const news = `Nobody can tell how old the newest recovery point of ${site.name} is. ${sentence(problemOf(error))}`;
    return { state: 'failed', newest: null, ageSeconds: null, news };
  }
}

/** Tells people unless the run before has; true when they know of this state. A state that is fine is no news. */
async function tellOnce(
  notices: Notices,
  board: Board,
  state: BackupState,
  news: string,
): Promise<boolean> {
  if (state === 'fresh') return false;
  const before = membersOf(workflowInfo().lastResult);
  if (before['state'] === state && before['told'] === true) return true;
  const { site } = board.status;
  notices.send({
    kind: 'backup-late',
    title: `Backup of ${site}: ${state === 'late' ? 'late' : 'unknown'}`,
    body: news,
    commands: [
      `temporal workflow start --type backup --task-queue ${workflowInfo().taskQueue} --workflow-id ${site}/backup/by-hand --input '${JSON.stringify({ site })}'`,
    ],
  });
  await notices.settled();
  return board.status.ignored.length === 0;
}
