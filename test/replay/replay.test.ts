/**
 * Recorded histories against the workflows as they are now: whatever runs when a new worker is rolled out must be able
 * to go on. A failure here means a change that needs a patch marker, or new recordings where no such run can exist.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import * as workflows from '../../src/workflows/index.ts';

const folder = join(import.meta.dirname, 'histories');
const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();

interface RecordedEvent {
  activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  workflowExecutionStartedEventAttributes?: { workflowType: { name: string } };
}

async function historyOf(file: string): Promise<{ events: RecordedEvent[] }> {
  return JSON.parse(await readFile(join(folder, file), 'utf8')) as { events: RecordedEvent[] };
}

let code = '';

beforeAll(async () => {
  code = await readFile(inject('workflowBundle'), 'utf8');
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'OFF', forward: {} } },
  });
});

async function replay(history: unknown): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: { code } }, history);
}

describe('recorded histories', () => {
  it('are there for every workflow type', async () => {
    const recorded = await Promise.all(
      files.map(async (file) => {
        const [first] = (await historyOf(file)).events;
        return first?.workflowExecutionStartedEventAttributes?.workflowType.name;
      }),
    );
    expect(new Set(recorded)).toEqual(new Set(Object.keys(workflows)));
  });

  it.each(files)('%s replays', async (file) => {
    await replay(await historyOf(file));
  });

  it.each(files)('%s names no path of the machine that recorded it', async (file) => {
    const text = await readFile(join(folder, file), 'utf8');
    const traced = [...text.matchAll(/(?:\(|file:\/\/)(\/[^/\s]+)\//g)].map(([, first]) => first);
    expect(traced.filter((first) => !/^\/(?:node_modules|src|test)$/.test(String(first)))).toEqual(
      [],
    );
  });

  it('do not replay against a workflow that does something else', async () => {
    const file = files.find((name) => name.startsWith('hybridStorage.'));
    const history = await historyOf(String(file));
    const copied = history.events.find(
      (event) =>
        event.activityTaskScheduledEventAttributes?.activityType.name === 'takeRecoveryPoint',
    );
    if (copied?.activityTaskScheduledEventAttributes === undefined) throw new Error('not found');
    copied.activityTaskScheduledEventAttributes.activityType.name = 'somethingElse';
    await expect(replay(history)).rejects.toThrow(/[Nn]ondeterminism|[Dd]eterminism/);
  });
});
