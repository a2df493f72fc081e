import type { Progress } from '../../domain/recovery/progress.ts';
import type { RunningActivity } from '../activities.ts';
import { plainPaint, printable, type Paint } from '../terminal.ts';
import { countText, sizeText } from './size.ts';
import { elapsed, elapsedBetween } from './time.ts';
import { short } from './short.ts';

const of = (done: number | null, total: number | null, text: (value: number) => string) =>
  done === null ? null : `${text(done)}${total === null ? '' : ` of ${text(total)}`}`;

/** Share of what is done in percent, by bytes where they are known; null where no total is known. */
export function percentOf({ files, totalFiles, bytes, totalBytes }: Progress): number | null {
  if (bytes !== null && totalBytes !== null && totalBytes > 0) return share(bytes, totalBytes);
  return files !== null && totalFiles !== null && totalFiles > 0 ? share(files, totalFiles) : null;
}

const share = (done: number, total: number) => Math.min(100, Math.floor((100 * done) / total));

/** `1,200 of 20,000 files, 512 MiB of 1.0 GiB, 50 %, about 12 s left` */
export function progressText(progress: Progress): string {
  const { files, totalFiles, bytes, totalBytes, secondsRemaining } = progress;
  const filesText = of(files, totalFiles, countText);
  const percent = percentOf(progress);
  return [
    filesText === null ? null : `${filesText} files`,
    of(bytes, totalBytes, sizeText),
    percent === null ? null : `${percent} %`,
    secondsRemaining === null ? null : `about ${aboutText(secondsRemaining)} left`,
  ]
    .filter((part) => part !== null)
    .join(', ');
}

/** An estimate in whole seconds: tenths would claim more than it knows. */
function aboutText(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : elapsed(whole * 1_000);
}

/** `backUpFiles, 12 s: 1,200 of 20,000 files, …`; null for one of which there is nothing to say. */
export function activityText(activity: RunningActivity, now: Date, paint: Paint): string | null {
  const { type, attempt, since, progress, lastFailure } = activity;
  // What runs the first time and tells no progress is said by the step already.
  if (progress === null && attempt <= 1) return null;
  const time = since === null ? 'waits' : elapsedBetween(since, null, now);
  const parts = [
    ...(progress === null ? [] : [progressText(progress)]),
    ...(attempt > 1 ? [paint('yellow', `attempt ${attempt}`)] : []),
    ...(lastFailure === null ? [] : [`before: ${short(lastFailure)}`]),
  ];
  return `${printable(type)}, ${time}: ${parts.join(', ')}`;
}

const SAY_EVERY_MS = 5_000;

/** When an activity was spoken of last, and what was said. */
export type Said = Map<string, { atMs: number; text: string }>;

/**
 * One line for each activity of which there is news, at most one every few seconds; for logs and terminals that cannot be
 * redrawn. `said` keeps what was said.
 */
export function activityLines(activities: RunningActivity[], said: Said, now: Date): string[] {
  return activities.flatMap((activity) => {
    const { workflowId, type, attempt, progress } = activity;
    const key = `${workflowId}/${type}/${attempt}`;
    const news = progress === null ? `attempt ${attempt}` : progressText(progress);
    const before = said.get(key);
    const tooSoon = before !== undefined && now.getTime() - before.atMs < SAY_EVERY_MS;
    const text = activityText(activity, now, plainPaint);
    if (text === null || tooSoon || before?.text === news) return [];
    said.set(key, { atMs: now.getTime(), text: news });
    return [`${workflowId}  ${text}`];
  });
}
