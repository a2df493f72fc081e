import type { CriterionResult } from '../../domain/criterion.ts';
import { nameFrom } from '../../domain/kubernetes/names.ts';
import type {
  RecoveryPoint,
  RecoveryPointState,
  RecoveryPointSummary,
} from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import { throwIfCancelled } from '../activity-context.ts';
import type { CatalogueActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { openCatalogue, type Catalogue } from './catalogue.ts';
import { siteCluster, type RecoveryCoreDeps } from './deps.ts';
import { repositoryOf } from './repository.ts';
import { resultOf, runToolboxJob, toolboxScript } from './toolbox.ts';

const verifyScript = toolboxScript(
  new URL('./scripts/verify-point.sh', import.meta.url),
  'restic',
  'file-manifest',
);

const verifyTimeoutMs = 4 * 3_600_000;

/** How many of the newest drills are looked through for those of one point. */
const drillsSearched = 100;

/** What scripts/verify-point.sh says. */
interface PointData {
  files: { words: string; manifest: boolean } | null;
  database: { words: string; bytes: number } | null;
}

/** `presslift recovery-points`: what is in a site's catalogue. */
export function createCatalogueActivities(deps: RecoveryCoreDeps): CatalogueActivities {
  async function withCatalogue<T>(site: Site, use: (catalogue: Catalogue) => Promise<T>) {
    const catalogue = await openCatalogue(deps, site);
    try {
      return await use(catalogue);
    } finally {
      catalogue.close();
    }
  }

  return {
    listRecoveryPoints: ({ site }) =>
      withCatalogue(site, async (catalogue) => {
        const summaries: RecoveryPointSummary[] = [];
        for (const id of await catalogue.list()) {
          throwIfCancelled();
          summaries.push(await summaryOf(catalogue, id));
        }
        return summaries;
      }),

    showRecoveryPoint: ({ site, point: id }) =>
      withCatalogue(site, async (catalogue) => {
        const point = await catalogue.read(id);
        const reports = await catalogue.reports(drillsSearched);
        return {
          point,
          state: await catalogue.state(id),
          drills: reports.filter((report) => report.point === id),
        };
      }),

    pinRecoveryPoint: ({ site, point: id, pinned }) =>
      withCatalogue(site, async (catalogue) => {
        const now = await catalogue.state(id);
        // Again after an interruption: the time of the first attempt stays.
        const same =
          pinned !== null && now.pinned?.by === pinned.by && now.pinned.reason === pinned.reason;
        return catalogue.setState(id, {
          pinned:
            pinned === null
              ? null
              : same
                ? now.pinned
                : { ...pinned, at: deps.now().toISOString() },
        });
      }),

    async verifyRecoveryPoint({ site, id, operationId }) {
      let point: RecoveryPoint;
      try {
        point = await withCatalogue(site, (catalogue) => catalogue.read(id));
      } catch (error) {
        if (failureTypeOf(error) !== 'CatalogueTampered') throw error;
        return untrusted((error as Error).message);
      }
      const data = await readData(deps, site, point, operationId);
      const criteria = criteriaOf(point, data);
      const findings = criteria.filter((one) => isDamage(one)).map((one) => one.id);
      if (findings.length > 0) {
        const bad = { at: deps.now().toISOString(), by: operationId, findings };
        await withCatalogue(site, async (catalogue) => {
          if ((await catalogue.state(id)).bad === null) await catalogue.setState(id, { bad });
        });
      }
      return criteria;
    },
  };
}

/** Whether a criterion says that data of the point is not what was copied; a part that it never held is not damaged. */
function isDamage({ pass, measured }: CriterionResult): boolean {
  return !pass && measured !== null;
}

async function summaryOf(catalogue: Catalogue, id: string): Promise<RecoveryPointSummary> {
  try {
    const point = await catalogue.read(id);
    const { files, database } = point;
    return {
      id,
      takenAt: point.takenAt,
      reason: point.reason,
      files: files?.files ?? null,
      bytes:
        files === null && database === null ? null : (files?.bytes ?? 0) + (database?.bytes ?? 0),
      tables: database?.manifest.tables.length ?? null,
      rows: database?.manifest.tables.reduce((sum, { rows }) => sum + rows, 0) ?? null,
      missing: point.missing,
      state: await catalogue.state(id),
      error: null,
    };
  } catch (error) {
    const type = failureTypeOf(error);
    if (type !== 'CatalogueTampered' && type !== 'NotFound' && type !== 'InvalidInput') throw error;
    const nothing: RecoveryPointState = { pinned: null, bad: null, proved: null };
    return {
      id,
      takenAt: timeOf(id),
      reason: 'manual',
      files: null,
      bytes: null,
      tables: null,
      rows: null,
      missing: [],
      state: nothing,
      error: (error as Error).message,
    };
  }
}

/** ISO 8601 from the compact time at the beginning of an id; '' for what is no id. */
function timeOf(id: string): string {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/.exec(id);
  if (parts === null) return '';
  const [, year, month, day, hour, minute, second] = parts;
  return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
}

async function readData(
  deps: RecoveryCoreDeps,
  site: Site,
  point: RecoveryPoint,
  operationId: string,
): Promise<PointData> {
  const repository = await repositoryOf(deps, site);
  const outcome = await runToolboxJob(siteCluster(deps, site), site, {
    name: nameFrom('verify', `${point.id}-${operationId}`),
    operationId,
    script: verifyScript,
    env: {
      ...repository.env,
      FILES: point.files?.snapshotId ?? '',
      DATABASE: point.database?.snapshotId ?? '',
      MANIFEST_DIGEST: point.files?.manifestDigest ?? '',
    },
    secretFiles: repository.secretFiles,
    timeoutMs: verifyTimeoutMs,
  });
  return resultOf<PointData>(outcome, `reading ${point.id}`);
}

/** Titles of the criteria, by id, in their order. */
const titles = {
  'document-signed': "The document is what was written with the repository's password",
  'files-readable': 'Every byte of the files is what was copied',
  'files-manifest': 'The manifest of the files is the one whose digest the document holds',
  'database-readable': 'Every byte of the dump is what was copied',
  'database-size': 'The dump is as long as it was',
} as const;

/** Criteria of a point whose document cannot be trusted: what it names is looked at no further. */
function untrusted(why: string): CriterionResult[] {
  return Object.entries(titles).map(([id, title]) => {
    const signed = id === 'document-signed';
    return {
      ...{ id, title, measured: signed ? false : null, target: true, pass: false },
      evidence: signed ? why : 'not measured: the document cannot be trusted',
    };
  });
}

/** Criteria of a point's document and data; a part that the point does not have fails. Pure. */
export function criteriaOf(point: RecoveryPoint, data: PointData): CriterionResult[] {
  const { files, database } = data;
  const readable = (id: keyof typeof titles, part: { words: string } | null) => ({
    id,
    title: titles[id],
    measured: part === null ? null : part.words === '',
    target: true,
    pass: part?.words === '',
    evidence:
      part === null ? 'the recovery point does not hold it' : part.words || 'read and hashed',
  });
  return [
    {
      id: 'document-signed',
      title: titles['document-signed'],
      measured: true,
      target: true,
      pass: true,
      evidence: { id: point.id, site: point.site },
    },
    readable('files-readable', files),
    {
      id: 'files-manifest',
      title: titles['files-manifest'],
      measured: files?.manifest ?? null,
      target: true,
      pass: files?.manifest === true,
      evidence: { files: point.files?.files ?? null, digest: point.files?.manifestDigest ?? null },
    },
    readable('database-readable', database),
    {
      id: 'database-size',
      title: titles['database-size'],
      measured: database?.bytes ?? null,
      target: point.database?.bytes ?? null,
      pass: database !== null && database.bytes === point.database?.bytes,
      evidence: { tables: point.database?.manifest.tables.length ?? null },
    },
  ];
}
