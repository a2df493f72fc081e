import { createHash } from 'node:crypto';
import type { RecoveryPointRef } from '../../domain/operation.ts';
import type { FilesPart, RecoveryPoint, WordPressPart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import type { BackupAges } from './age.ts';
import { findPod, type BackupDeps } from './deps.ts';

/** A shared volume gives a hundred files a second where it is slow; a line of the manifest has about 150 bytes. */
const comparing = {
  timeoutMs: 1_200_000,
  // The copy is made already: it is compared once more before it is given up.
  onTimeout: 'Unavailable',
  maxOutputBytes: 64 * 1024 * 1024,
} as const;

/** `recordRecoveryPoint`: only what is whole gets a document. */
export function createRecordActivities(
  deps: BackupDeps,
  ages: BackupAges,
): Pick<BackupActivities, 'recordRecoveryPoint'> {
  return {
    async recordRecoveryPoint({ site, point }) {
      requireWhole(site, point);
      const catalogue = await openCatalogue(deps, site);
      try {
        // Whatever happened to the site since an earlier attempt wrote it, the copy is what it was.
        const earlier = await catalogue.recorded(point);
        if (earlier === null) await requireUnchanged(deps, site, point);
        const { digest } = earlier ?? (await catalogue.write(point));
        ages.taken(site, point.takenAt);
        return { ref: refOf(point), digest };
      } finally {
        catalogue.close();
      }
    },
  };
}

function requireWhole(site: Site, point: RecoveryPoint): void {
  const { files, database, sentinel, wordpress } = point;
  const wrong: string[] = [];
  if (point.site !== site.name) {
    throw failure(
      'InvalidInput',
      `${point.id} is a recovery point of ${point.site}, not of ${site.name}`,
    );
  }
  if (files === null) wrong.push('there is no copy of the files');
  else if (files.files === 0) wrong.push('the copy of the files is empty');
  if (database === null) wrong.push('there is no dump of the database');
  else {
    const prefix = wordpress?.tablePrefix ?? null;
    const names = database.manifest.tables.map(({ name }) => name);
    if (database.bytes === 0 || names.length === 0) wrong.push('the dump is empty');
    for (const table of prefix === null ? [] : [`${prefix}options`, `${prefix}posts`]) {
      if (!names.includes(table)) wrong.push(`the dump has no table ${table}`);
    }
  }
  if (sentinel !== null && files !== null && files.sentinel !== sentinel.nonce) {
    wrong.push('the copy of the files does not hold what was written just before it');
  }
  if (wrong.length > 0) throw failure('BackupIncomplete', `${point.id}: ${wrong.join('; ')}`);
}

/** Plugins and themes as the copy has them have to be those of the site as it is now. */
async function requireUnchanged(
  deps: BackupDeps,
  site: Site,
  { id, files, wordpress }: RecoveryPoint,
): Promise<void> {
  if (files?.trees === undefined) return;
  const pod = await findPod(deps, site);
  if (pod === null) {
    // Nobody can install a plugin on a site of which no pod runs.
    if (wordpress === null) return;
    throw failure('Unavailable', `PHP runs in no pod of ${site.name}: nothing can be compared`);
  }
  const changed = await changedTrees(deps, site, pod, files);
  if (wordpress !== null) changed.push(...(await changedExtensions(deps, site, pod, wordpress)));
  if (changed.length > 0) {
    throw failure(
      'BackupIncomplete',
      `Somebody changed ${[...new Set(changed)].join(', ')} while ${id} was taken`,
    );
  }
}

async function changedTrees(
  deps: BackupDeps,
  site: Site,
  pod: string,
  { trees = {} }: FilesPart,
): Promise<string[]> {
  const folders = Object.keys(trees);
  const now = await deps.agent.treeDigests(site, pod, folders, comparing);
  const changed: string[] = [];
  for (const folder of folders) {
    if (now[folder]?.digest === trees[folder]?.digest) continue;
    // Excluded folders and odd names make the plain digest another one.
    const files = (await deps.agent.run(
      site,
      pod,
      'tree-manifest',
      { folder },
      comparing,
    )) as Record<string, string>;
    if (digestOfTree(files, excludedBelow(site, folder)) !== trees[folder]?.digest)
      changed.push(folder);
  }
  return changed;
}

/** The digest of a tree as the Job makes it from its manifest. */
export function digestOfTree(files: Record<string, string>, excluded: string[]): string {
  const lines = Object.entries(files)
    .filter(([path]) => !excluded.some((one) => path === one || path.startsWith(`${one}/`)))
    .filter(([path]) => !/(^|\/)\.presslift(-(?!se)[^/]*)?(\/|$)/.test(path))
    .map(([path, hash]) => Buffer.from(`${hash}  ${escaped(path)}\n`))
    .sort((a, b) => Buffer.compare(a, b));
  return `sha256:${createHash('sha256').update(Buffer.concat(lines)).digest('hex')}`;
}

const escaped = (path: string) =>
  path.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n');

function excludedBelow(site: Site, folder: string): string[] {
  return site.backup.exclude
    .map((path) => path.replace(/^\/+|\/+$/g, ''))
    .filter((path) => path.startsWith(`${folder}/`))
    .map((path) => path.slice(folder.length + 1));
}

async function changedExtensions(
  deps: BackupDeps,
  site: Site,
  pod: string,
  before: WordPressPart,
): Promise<string[]> {
  const now = await deps.agent.facts(site, pod);
  const list = (part: Pick<WordPressPart, 'plugins' | 'themes'>) => ({
    plugins: part.plugins.map(({ file, version, active }) => `${file} ${version} ${active}`),
    themes: part.themes.map(({ slug, version, active }) => `${slug} ${version} ${active}`),
  });
  const [then, after] = [list(before), list(now)];
  return (['plugins', 'themes'] as const).filter(
    (kind) => then[kind].sort().join('\n') !== after[kind].sort().join('\n'),
  );
}

function refOf(point: RecoveryPoint): RecoveryPointRef {
  const { id, takenAt, files, database, app, cdn, objectStorage, wordpress, missing } = point;
  return {
    id,
    takenAt,
    contains: [
      ...(files === null
        ? []
        : [`${files.files} files of ${files.volumes.map(({ claim }) => claim).join(' and ')}`]),
      ...(database === null
        ? []
        : [`database ${database.manifest.schema} with ${database.manifest.tables.length} tables`]),
      ...(app === null ? [] : [`Deployment ${app.deployment} with its ConfigMaps`]),
      ...(cdn === null ? [] : [`${cdn.rulesets.length} rulesets of the CDN`]),
      ...(objectStorage?.versioning ? [`time of the bucket ${objectStorage.bucket}`] : []),
      ...(wordpress === null ? [] : ['active plugins and theme']),
    ],
    missing,
  };
}
