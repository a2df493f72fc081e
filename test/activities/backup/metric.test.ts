// Proves that the age of the newest recovery point is offered to Prometheus under the name that alerts ask for, through the
// worker's own runtime, a real server and a real catalogue.
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { buildGoPrograms, defaultCacheDir } from '../../../deploy/sandbox/build/go-programs.ts';
import { createBackupActivities } from '../../../src/activities/backup/index.ts';
import { openCatalogue } from '../../../src/activities/recovery/catalogue.ts';
import { createLogger } from '../../../src/config/logging.ts';
import { installRuntime } from '../../../src/config/runtime.ts';
import { freePort } from '../../support/database-servers.ts';
import { startRecoveryLab } from '../../support/recovery-lab.ts';
import { join } from 'node:path';

it('presslift_backup_age_seconds counts from the newest point, and is infinite where there is none', async () => {
  const port = await freePort();
  const { metricMeter: meter } = installRuntime(
    { metricsAddress: `127.0.0.1:${port}` },
    createLogger({ logLevel: 'error', serviceName: 'test' }),
  );
  const { temporal } = await buildGoPrograms({ names: ['temporal'], cacheDir: defaultCacheDir() });
  const path = process.env['TEMPORAL_CLI'] ?? join(temporal, 'temporal');
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'existing-path', path } },
  });
  const lab = await startRecoveryLab({ database: false });
  try {
    const never = { ...structuredClone(lab.site), name: 'never' };
    const catalogue = await openCatalogue(lab.deps, lab.site);
    const id = '20261123T030000Z-acme-backup';
    await catalogue.write({
      ...{ schema: 1, id, site: 'acme', reason: 'scheduled', operationId: 'acme/backup/1' },
      ...{ takenAt: '2026-11-23T03:00:00.000Z', finishedAt: '', sentinel: null, wordpress: null },
      ...{ files: null, database: null, app: null, cdn: null, objectStorage: null, missing: [] },
    });
    catalogue.close();
    const now = () => new Date('2026-11-23T03:30:00Z');
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue: 'ages',
      workflowsPath: fileURLToPath(
        new URL('../../support/backup-age-workflow.ts', import.meta.url),
      ),
      activities: createBackupActivities({ ...lab.deps, now, meter }),
    });
    const shown = await worker.runUntil(async () => {
      await environment.client.workflow.execute('backupAges', {
        ...{ taskQueue: 'ages', workflowId: 'ages', args: [[lab.site, never]] },
      });
      return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    });
    const lines = shown.split('\n').filter((line) => line.startsWith('presslift_'));
    expect(lines).toHaveLength(2);
    expect(lines.find((line) => line.includes('site="acme"'))).toMatch(
      /^presslift_backup_age_seconds\{.*\} 1800$/,
    );
    expect(lines.find((line) => line.includes('site="never"'))).toMatch(
      /^presslift_backup_age_seconds\{.*\} \+?[Ii]nf$/,
    );
  } finally {
    await lab.stop();
    await environment.teardown();
  }
});
