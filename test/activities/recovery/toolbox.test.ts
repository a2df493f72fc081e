// Proves, with scripts that really run as first process of a pid namespace in the toolbox image, and with a real API server
// and object storage: what a Job is given and says, that it and its Secret go in every case, that a retry adopts it, that
// restic's outcomes become failures that people can act on, and that a Job that is ended leaves no lock in the repository.
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createCertificate } from '../../../src/activities/database/x509.ts';
import type { JsonObject } from '../../../src/domain/json.ts';
import { removeToolboxJob } from '../../../src/activities/recovery/toolbox.ts';
import { labNamespace, startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
});
afterAll(() => lab?.stop());

async function left(): Promise<string[]> {
  const { core, batch } = lab.plane.admin;
  const lists = await Promise.all([
    batch.listNamespacedJob({ namespace: labNamespace }),
    core.listNamespacedPod({ namespace: labNamespace }),
    core.listNamespacedSecret({ namespace: labNamespace }),
  ]);
  return lists.flatMap(({ items }) => items.map(({ metadata }) => metadata?.name ?? ''));
}

/** After a success the pods go by themselves; a failure is told when they are gone. */
const untilNothingIsLeft = () => expect.poll(left, { timeout: 30_000 }).toEqual([]);

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (await condition()) return;
    await delay(100);
  }
  throw new Error(`Gave up waiting until ${what}`);
}

describe('a toolbox Job', () => {
  it('gets secrets and input as files of root alone, and volumes, and tells its result', async () => {
    await lab.node.claim('data');
    const seen = await lab.script(
      `echo hello > /data/greeting
       say "$(jq -cn --arg mode "$(stat -Lc %a /presslift/secrets/token)" --arg token "$(cat /presslift/secrets/token)" \\
         --arg input "$(cat /presslift/input/list.json)" --arg value "$VALUE" --arg id "$(id -u)" '{$mode, $token, $input, $value, $id}')"`,
      {
        env: { VALUE: 'with spaces; and $signs' },
        secretFiles: { token: 'se\ncret' },
        inputFiles: { 'list.json': '[1]' },
        volumes: [{ claim: 'data', mountPath: '/data' }],
      },
    );
    expect(seen).toEqual({
      mode: '400',
      token: 'se\ncret',
      input: '[1]',
      value: 'with spaces; and $signs',
      id: '0',
    });
    await untilNothingIsLeft();
  });

  it('keeps secrets out of the manifest', async () => {
    let manifest = '';
    const running = lab.script(`sleep 2; say '{}'`, {
      name: 'secretive',
      secretFiles: { token: 'very-secret-token' },
    });
    await until('its pod runs', () =>
      lab.node.started().some((pod) => pod.startsWith('secretive')),
    );
    const job = await lab.plane.admin.batch.readNamespacedJob({
      name: 'secretive',
      namespace: labNamespace,
    });
    manifest = JSON.stringify(job);
    await running;
    expect(manifest).not.toContain('very-secret-token');
    expect(manifest).not.toContain('repository password');
    expect(manifest).not.toContain(lab.storage.root.secretAccessKey);
  });

  it('may say more than a termination message holds', async () => {
    const { words } = await lab.script<{ words: string[] }>(
      `say "$(seq 1 3000 | jq -Rc . | jq -sc '{words: .}')"`,
    );
    expect(words).toHaveLength(3000);
  });

  it('is told to its last line when its log is longer than two megabytes', async () => {
    const { last } = await lab.script<{ last: string }>(
      `yes "$(head -c 999 /dev/zero | tr '\\0' x)" | head -n 2200 || true
       say "$(jq -cn --arg long "$(head -c 5000 /dev/zero | tr '\\0' y)" '{$long, last: "said"}')"`,
    );
    expect(last).toBe('said');
  });

  it('tells its progress while it runs', async () => {
    const lines: JsonObject[] = [];
    await lab.script(
      // It goes on for a while after its result, so that polls meet it in the log.
      `for i in 1 2 3 4 5; do echo "{\\"done\\":$i}"; echo noise; sleep 1; done; say '{"result":true}'; sleep 3`,
      {
        onProgress: (line) => lines.push(line),
      },
    );
    expect(lines.at(-1)).toEqual({ done: 5 });
    expect(lines.every(({ done }) => typeof done === 'number')).toBe(true);
  });

  it('fails with the type and sentence that its script names', async () => {
    await expect(lab.script(`fail NoSpace 'The volume "x" is full'`)).rejects.toMatchObject({
      type: 'NoSpace',
      nonRetryable: true,
      message: 'The volume "x" is full',
    });
    expect(await left()).toEqual([]);
  });

  it('fails with the last lines of its log when its script names no reason', async () => {
    await expect(lab.script(`echo before; false; say '{}'`)).rejects.toMatchObject({
      type: 'JobFailed',
      message: expect.stringContaining('before') as string,
    });
    expect(await left()).toEqual([]);
  });

  it('is over when its time is', async () => {
    await expect(lab.script(`run sleep 60`, { timeoutMs: 3_000 })).rejects.toMatchObject({
      message: expect.stringContaining('DeadlineExceeded') as string,
    });
    expect(await left()).toEqual([]);
  });

  it('is adopted by the next attempt when the worker stops, and runs once', async () => {
    const job = { name: 'adopted' };
    const script = `echo x >> /data/runs; sleep 4; say "{\\"runs\\":$(wc -l < /data/runs)}"`;
    const volumes = [{ claim: 'adopted', mountPath: '/data' }];
    const first = new MockActivityEnvironment();
    const attempt = first.run(() => lab.script(script, { ...job, volumes }));
    await until('its pod runs', () => lab.node.started().some((pod) => pod.startsWith('adopted')));
    first.cancel('WORKER_SHUTDOWN', {
      ...cancelRequested,
      cancelRequested: false,
      workerShutdown: true,
    });
    await expect(attempt).rejects.toThrow();
    expect(await left()).toContain('adopted');
    expect(await lab.script(script, { ...job, volumes })).toEqual({ runs: 1 });
    await untilNothingIsLeft();
  });

  it('leaves nothing when the activity is cancelled', async () => {
    const begun = join(await lab.node.claim('cancelled'), 'begun');
    const env = new MockActivityEnvironment();
    const attempt = env.run(() =>
      lab.script(`touch /data/begun; run sleep 60`, {
        volumes: [{ claim: 'cancelled', mountPath: '/data' }],
      }),
    );
    await until('its script runs', () => existsSync(begun));
    env.cancel('CANCELLED', cancelRequested);
    await expect(attempt).rejects.toThrow();
    expect(await left()).toEqual([]);
  });
});

const cancelRequested = {
  cancelRequested: true,
  notFound: false,
  paused: false,
  timedOut: false,
  workerShutdown: false,
  reset: false,
};

describe('restic in a toolbox Job', () => {
  const locks = () =>
    lab.script<{ locks: number }>(`say "{\\"locks\\":$(restic list locks --no-lock | wc -l)}"`);

  it('needs a repository', async () => {
    await expect(lab.script(`restic_run snapshots`)).rejects.toMatchObject({
      type: 'RepositoryRefused',
      message: expect.stringContaining('does not exist') as string,
    });
  });

  it('makes one and copies into it', async () => {
    await lab.script(
      `restic_run init > /dev/null
       dd if=/dev/urandom of=$work/big bs=1M count=8 status=none
       restic_run backup --json $work/big > $work/summary
       say "$(tail -n 1 $work/summary)"`,
    );
    expect(await locks()).toEqual({ locks: 0 });
  });

  it('leaves no lock when its Job is ended in the middle', async () => {
    const env = new MockActivityEnvironment();
    const attempt = env.run(() =>
      lab.script(
        // A pipe that stays open keeps the copy going until it is ended.
        `slow() { restic_try backup --stdin-from-command -- sh -c 'head -c 1000000 /dev/urandom; sleep 100'; }
         echo '{"begun":true}'; slow; say '{}'`,
        { name: 'ended' },
      ),
    );
    await until('it holds a lock', async () => (await locks()).locks > 0);
    env.cancel('CANCELLED', cancelRequested);
    await expect(attempt).rejects.toThrow();
    expect(await locks()).toEqual({ locks: 0 });
    await untilNothingIsLeft();
  });

  it('waits for a lock, and says that it stays locked', async () => {
    const holder = lab
      .script(`restic_try backup --stdin-from-command -- sh -c 'echo x; sleep 30'; say '{}'`, {
        name: 'holder',
      })
      .catch((error: unknown) => error);
    await until('it holds a lock', async () => (await locks()).locks > 0);
    await expect(
      lab.script(`restic_run prune > /dev/null; say '{}'`, { env: { RETRY_LOCK: '1s' } }),
    ).rejects.toMatchObject({ type: 'Unavailable', nonRetryable: false });
    await removeToolboxJob(lab.plane.admin, labNamespace, 'holder');
    expect(await holder).toMatchObject({ type: 'Unavailable' });
  });

  const outcomes: [string, Record<string, string>, string, string][] = [
    ['another password', { PASSWORD: '{"password":"other"}' }, '', 'RepositoryRefused'],
    [
      'keys that the storage does not know',
      { KEYS: '{"accessKeyId":"nobody","secretAccessKey":"nothing"}' },
      '',
      'Unauthorized',
    ],
    [
      'another authority',
      { STORAGE_CA: createCertificate({ commonName: 'Another authority' }).certificate },
      '',
      'TlsRejected',
    ],
    [
      'a port where nobody listens',
      {},
      'sed "s/:[0-9]*\\/acme/:1\\/acme/" /presslift/secrets/repository > $work/repository; export RESTIC_REPOSITORY_FILE=$work/repository;',
      'Unavailable',
    ],
    [
      'a bucket that is gone',
      {},
      'sed "s/acme-media/acme-gone/" /presslift/secrets/repository > $work/repository; export RESTIC_REPOSITORY_FILE=$work/repository;',
      'RepositoryRefused',
    ],
  ];
  it.each(outcomes)('tells %s as what it is', async (_, env, before, type) => {
    const kept = { ...lab.env };
    Object.assign(lab.env, env);
    try {
      await expect(
        lab.script(`${before} restic_run snapshots > /dev/null; say '{}'`, { timeoutMs: 90_000 }),
      ).rejects.toMatchObject({ type });
    } finally {
      Object.assign(lab.env, kept);
    }
  });
});
