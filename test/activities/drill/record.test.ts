/**
 * What stays of a drill, on a real object storage: a signed report beside the point, the mark on the point, and a drill that says
 * what it found also where the bucket refuses.
 */
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createRecordDrill } from '../../../src/activities/drill/record.ts';
import { openObjectStorage } from '../../../src/activities/object-storage/client.ts';
import { openCatalogue, type Catalogue } from '../../../src/activities/recovery/catalogue.ts';
import { Secret } from '../../../src/activities/secrets/index.ts';
import type { CriterionResult } from '../../../src/domain/criterion.ts';
import {
  drillCriteria,
  drillCriterion,
  notMeasured,
  type DrillCriterion,
} from '../../../src/domain/recovery/drill-criteria.ts';
import { drillStage } from '../../../src/domain/recovery/drill-report.ts';
import type { RecoveryPoint } from '../../../src/domain/recovery/point.ts';
import { startRecoveryLab, type RecoveryLab } from '../../support/recovery-lab.ts';

let lab: RecoveryLab;
let catalogue: Catalogue;
let record: ReturnType<typeof createRecordDrill>['recordDrill'];
let point: string;
let count = 0;

beforeAll(async () => {
  lab = await startRecoveryLab({ database: false });
  catalogue = await openCatalogue(lab.deps, lab.site);
  ({ recordDrill: record } = createRecordDrill({ ...lab.deps, isRunning: async () => false }));
});
afterAll(async () => {
  catalogue?.close();
  await lab?.stop();
});

beforeEach(async () => {
  count += 1;
  point = `20261123T0300${String(count).padStart(2, '0')}Z-acme-backup`;
  await catalogue.write({
    schema: 1,
    id: point,
    site: 'acme',
    reason: 'manual',
    operationId: 'acme/backup/1',
    takenAt: '2026-11-23T03:00:00Z',
    finishedAt: '2026-11-23T03:01:00Z',
    sentinel: null,
    wordpress: null,
    files: null,
    database: null,
    app: null,
    cdn: null,
    objectStorage: null,
    missing: [],
  } satisfies RecoveryPoint);
});

const passing = (Object.keys(drillCriteria) as DrillCriterion[])
  .filter((id) => !['place', 'rto', 'rpo', 'scheduled-copy-age'].includes(id))
  .map((id) => drillCriterion(id, { pass: true, measured: 0, target: 0 }));
const broken = drillCriterion('rows', { pass: false, measured: 1, target: 0 });
const without = (id: string, ...more: CriterionResult[]) => [
  ...passing.filter((one) => one.id !== id),
  ...more,
];

const input = (change: Partial<Parameters<typeof record>[0]> = {}) => ({
  site: lab.site,
  drill: `drill-${count}`,
  point,
  operationId: `acme/drill/${count}`,
  startedAt: '2026-11-23T03:10:00Z',
  takenAt: '2026-11-23T03:00:00Z',
  criteria: passing,
  stages: (['volumes', 'files', 'database', 'start'] as const).map((id, at) =>
    drillStage(
      id,
      Date.parse('2026-11-23T03:10:00Z') + at * 1000,
      Date.parse('2026-11-23T03:10:01Z') + at * 1000,
    ),
  ),
  ...change,
});

function storage() {
  const { accessKeyId, secretAccessKey } = lab.storage.root;
  return openObjectStorage({
    objects: lab.site.storage.objects,
    keys: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
    ca: lab.storage.ca,
  });
}

async function stored(key: string): Promise<string> {
  const opened = storage();
  const Bucket = lab.site.storage.objects.bucket;
  const { Body } = await opened.client.send(new GetObjectCommand({ Bucket, Key: key }));
  const text = (await Body?.transformToString()) ?? '';
  opened.close();
  return text;
}

test('a drill that passes proves the point, takes an earlier mark away and leaves a signed report in three forms', async () => {
  await catalogue.setState(point, { bad: { at: 'then', by: 'somebody', findings: ['rows'] } });
  const { report, keys } = await record(input());
  expect(report).toMatchObject({ pass: true, rtoMs: 4000, rpoMs: 600_000 });
  expect(keys.map((key) => key.split('/').slice(-2).join('/'))).toEqual(
    ['md', 'html', 'sig', 'json'].map((end) => `drills/drill-${count}.${end}`),
  );
  expect(await catalogue.state(point)).toMatchObject({
    bad: null,
    proved: { drill: `drill-${count}`, rtoMs: 4000 },
  });
  expect(await catalogue.reports(1)).toEqual([report]);
  const [markdown = '', html = '', signatures = ''] = await Promise.all(keys.map(stored));
  expect(markdown).toContain('passed');
  expect(JSON.parse(signatures)).toEqual({
    md: catalogue.sign(markdown),
    html: catalogue.sign(html),
  });
});

test('once more it is recorded once', async () => {
  await record(input());
  const { report } = await record(input());
  const mine = (await catalogue.reports(50)).filter(({ drill }) => drill === report.drill);
  expect(mine).toHaveLength(1);
  expect(report.trend.filter(({ drill }) => drill === report.drill)).toHaveLength(1);
});

test('damage marks the point as bad, with what was seen', async () => {
  const { report } = await record(input({ criteria: without('rows', broken) }));
  expect(report.pass).toBe(false);
  expect(await catalogue.state(point)).toMatchObject({
    bad: { by: `acme/drill/${count}`, findings: ['rows'] },
    proved: null,
  });
});

test('a drill of its own fresh copy fails where the schedule has made none for too long, and its point is good', async () => {
  const document = await catalogue.read(point);
  const [fresh, startedAt] = [
    `20261201T0300${String(count).padStart(2, '0')}Z-acme-drill`,
    '2026-12-01T02:59:00Z',
  ];
  await catalogue.write({
    ...document,
    id: fresh,
    reason: 'drill',
    takenAt: '2026-12-01T03:00:00Z',
  });
  const { report } = await record(
    input({ point: fresh, startedAt, takenAt: '2026-12-01T03:00:00Z' }),
  );
  await catalogue.remove(fresh);
  expect(report.criteria.filter(({ pass }) => !pass)).toMatchObject([
    { id: 'scheduled-copy-age', measured: Date.parse(startedAt) - Date.parse(document.takenAt) },
  ]);
  expect(report.pass).toBe(false);
});

test.each([
  ['was too slow', () => ({ stages: [drillStage('files', 0, 3_600_000)] })],
  ['could not be measured', () => ({ criteria: without('boot', notMeasured('boot', 'no room')) })],
])('a drill that %s fails, and the point is not marked', async (_, change) => {
  const { report } = await record(input(change()));
  expect(report.pass).toBe(false);
  expect((await catalogue.state(point)).bad).toBeNull();
});

test('reports show the drills before, and leave out what somebody has forged', async () => {
  const { keys } = await record(input());
  const forged = JSON.parse(await stored(keys.at(-1) ?? '')) as { report: { rtoMs: number } };
  forged.report.rtoMs = 1;
  const opened = storage();
  await opened.client.send(
    new PutObjectCommand({
      Bucket: lab.site.storage.objects.bucket,
      Key: keys.at(-1)?.replace(/[^/]+$/, 'forged.json'),
      Body: JSON.stringify(forged),
    }),
  );
  opened.close();
  const { report } = await record(input({ drill: 'next' }));
  expect(report.trend.map(({ rtoMs }) => rtoMs)).not.toContain(1);
  expect(report.trend.slice(-2).map(({ drill }) => drill)).toEqual([`drill-${count}`, 'next']);
});

test('a document that somebody changed is the finding, and the report is stored all the same', async () => {
  const opened = storage();
  const Bucket = lab.site.storage.objects.bucket;
  const Key = `presslift/acme/recovery-points/${point}/point.json`;
  const text = await stored(Key);
  await opened.client.send(
    new PutObjectCommand({
      Bucket,
      Key,
      Body: text.replace('2026-11-23T03:01:00Z', '2026-11-23T03:02:00Z'),
    }),
  );
  opened.close();
  const { report, keys } = await record(input({ takenAt: null, criteria: [], stages: [] }));
  expect(report.criteria.find(({ id }) => id === 'catalogue')).toMatchObject({
    pass: false,
    measured: 'CatalogueTampered',
  });
  expect(keys).toHaveLength(4);
});

test('a point that was removed meanwhile gets no mark, and the report is kept', async () => {
  await catalogue.remove(point);
  const { report, keys } = await record(input());
  expect(report.pass).toBe(true);
  expect(keys).toHaveLength(4);
});

test('a drill without a point is kept by itself', async () => {
  const { report, keys } = await record(
    input({ point: null, takenAt: null, criteria: [], stages: [] }),
  );
  expect(report.pass).toBe(false);
  expect(keys.at(-1)).toBe(`presslift/acme/drills/drill-${count}.json`);
});

test('where the keys are refused the drill still says so', async () => {
  const good = lab.env['KEYS'] ?? '';
  lab.env['KEYS'] = JSON.stringify({ ...lab.storage.root, secretAccessKey: 'expired' });
  try {
    const { report, keys } = await record(input({ takenAt: null, criteria: [], stages: [] }));
    expect(keys).toEqual([]);
    expect(report.criteria.find(({ id }) => id === 'repository-keys')).toMatchObject({
      pass: false,
      measured: 'Unauthorized',
    });
    expect(JSON.stringify(report)).not.toContain('expired"');
  } finally {
    lab.env['KEYS'] = good;
  }
});
