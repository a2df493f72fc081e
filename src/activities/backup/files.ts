import { readFileSync } from 'node:fs';
import type { V1ConfigMap, V1PersistentVolumeClaim } from '@kubernetes/client-node';
import {
  contentFolders,
  excludedIn,
  folderIn,
  sentinelFolder,
} from '../../domain/recovery/content-volumes.ts';
import type { ContentVolume, FilesPart, VolumeSnapshotRef } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { TreeDigest } from '../../domain/wordpress.ts';
import type { BackupActivities, PointInput } from '../contracts.ts';
import { failure } from '../failure.ts';
import {
  readClaim,
  readDeployment,
  requireDeployment,
  selectorOf,
} from '../kubernetes/site-objects.ts';
import { readConfigMap } from '../hybrid-storage/config-source.ts';
import { extensionFolders } from '../hybrid-storage/observe.ts';
import { remove } from '../kubernetes/apply.ts';
import { siteCluster } from '../recovery/deps.ts';
import { readRecovery } from '../recovery/objects.ts';
import { packedNearby, rulesKey } from '../recovery/packed-rules.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { resultOf, runToolboxJob, toolboxScript, type ToolboxVolume } from '../recovery/toolbox.ts';
import { configMapsOf } from './app.ts';
import { withTemporary, type BackupDeps } from './deps.ts';
import { copyClaimName, jobName } from './names.ts';
import { sentinelName } from './sentinel.ts';
import {
  createVolumeSnapshots,
  liveSource,
  snapshotsOfKind,
  type CopySource,
} from './volume-snapshots.ts';

const timeoutMs = 5 * 3_600_000;
/** How often a live volume is copied until nothing changes meanwhile. */
const attempts = 3;
/** How many files may have changed during the last of these copies, each of which the document names. */
const mostUnsettled = 500;

const script = [
  toolboxScript(new URL('./scripts/progress.sh', import.meta.url), 'restic', 'file-manifest'),
  readFileSync(new URL('./scripts/back-up-files.sh', import.meta.url), 'utf8'),
].join('\n');

interface FilesResult {
  snapshotId: string;
  bytesAdded: number;
  files: number;
  bytes: number;
  manifestDigest: string;
  roots: NonNullable<FilesPart['roots']>;
  trees: Record<string, TreeDigest>;
  sentinel: string | null;
  unsettled: string[];
}

type FilesInput = PointInput & { volumes: ContentVolume[]; snapshots: VolumeSnapshotRef[] };

/** `backUpFiles`: all content volumes in one restic snapshot, by a Job next to them. */
export function createFilesActivities(deps: BackupDeps): Pick<BackupActivities, 'backUpFiles'> {
  const kinds = createVolumeSnapshots(deps);

  async function sourceOf(input: FilesInput, volume: ContentVolume): Promise<CopySource> {
    const snapshot = input.snapshots.find(({ claim }) => claim === volume.claim);
    const kind = snapshot === undefined ? null : snapshotsOfKind(kinds, snapshot.kind);
    if (snapshot === undefined || kind === null) return liveSource(volume);
    return kind.source(input.site, input.id, volume, snapshot);
  }

  return {
    async backUpFiles(input) {
      const { site, id, volumes } = input;
      const repository = await repositoryOf(deps, site);
      const copies = volumes.map(({ claim }) => copyClaimName(id, claim));
      return withTemporary(
        async () => {
          const sources = await Promise.all(volumes.map((volume) => sourceOf(input, volume)));
          const mounts = volumes.map((volume, at): ToolboxVolume => {
            const source = sources[at] ?? liveSource(volume);
            return {
              claim: source.claim,
              mountPath: `/presslift/volumes/${volume.claim}`,
              ...(source.subPath !== '' && { subPath: source.subPath }),
              readOnly: true,
            };
          });
          const outcome = await runToolboxJob(siteCluster(deps, site), site, {
            name: jobName('files', id),
            operationId: input.operationId,
            script,
            env: {
              ...repository.env,
              POINT: id,
              SITE: site.name,
              SENTINEL: sentinelPath(site, volumes) ?? '',
              ATTEMPTS: String(attempts),
              MOST_UNSETTLED: String(mostUnsettled),
            },
            secretFiles: repository.secretFiles,
            inputFiles: {
              'volumes.json': JSON.stringify(
                volumes.map((volume, at) => ({
                  claim: volume.claim,
                  folders: contentFolders(volume),
                  excluded: excludedIn(volume, site.backup.exclude),
                  live: sources[at]?.live ?? true,
                })),
              ),
              'trees.json': JSON.stringify(treePaths(volumes)),
              'settled.json': JSON.stringify(settledPaths(volumes)),
              'objects.json': await objectsOf(deps, input),
              ...(await cdnRulesOf(deps, input)),
            },
            volumes: mounts,
            sameNodeAs: await nodeOf(deps, site, volumes, sources),
            timeoutMs,
          });
          const result = resultOf<FilesResult>(outcome, `the files of ${id}`);
          return partOf(result, repository.url, input);
        },
        () => removeCopies(deps, site, copies),
      );
    },
  };
}

function partOf(result: FilesResult, repository: string, input: FilesInput): FilesPart {
  if (result.files === 0) {
    throw failure('BackupIncomplete', `The volumes of ${input.site.name} hold no files at all`);
  }
  return {
    repository,
    snapshotId: result.snapshotId,
    volumes: input.volumes,
    localSnapshots: input.snapshots.filter(({ kind }) => kind !== 'none'),
    files: result.files,
    bytes: result.bytes,
    manifestDigest: result.manifestDigest,
    roots: result.roots,
    trees: result.trees,
    sentinel: result.sentinel,
    ...(result.unsettled.length > 0 && { unsettled: result.unsettled }),
    bytesAdded: result.bytesAdded,
  };
}

/** Where the sentinel's file is below /presslift/volumes; null when nothing is copied that could hold it. */
function sentinelPath(site: Site, volumes: ContentVolume[]): string | null {
  const folder = sentinelFolder(volumes, site.backup.exclude);
  return folder === null ? null : pathIn(volumes, folder, sentinelName);
}

/** `wp-content/plugins` → `<claim>/plugins`, for the folders that volumes hold. */
function treePaths(volumes: ContentVolume[]): Record<string, string> {
  return Object.fromEntries(
    extensionFolders.flatMap((folder) => {
      const path = pathIn(volumes, folder);
      return path === null ? [] : [[folder, path]];
    }),
  );
}

/** Code has to be of one moment: what may change while it is copied is content below `wp-content`, and no code there. */
function settledPaths(volumes: ContentVolume[]): { loose: string[]; settled: string[] } {
  const within = (volume: ContentVolume, folder: string) => {
    const inside = folderIn(volume, folder);
    return inside === null ? [] : [[volume.claim, inside].filter((part) => part !== '').join('/')];
  };
  const isContent = ({ provides }: ContentVolume) =>
    provides.every((path) => path.startsWith('wp-content/'));
  return {
    loose: volumes.flatMap((volume) =>
      isContent(volume) ? [volume.claim] : within(volume, 'wp-content'),
    ),
    settled: volumes.flatMap((volume) =>
      [...extensionFolders, 'wp-content/mu-plugins'].flatMap((folder) => within(volume, folder)),
    ),
  };
}

function pathIn(volumes: ContentVolume[], folder: string, ...more: string[]): string | null {
  for (const volume of volumes) {
    const inside = folderIn(volume, folder);
    if (inside !== null)
      return [volume.claim, inside, ...more].filter((part) => part !== '').join('/');
  }
  return null;
}

/** Pods of the site have block volumes on their node; only there they can be read too. */
async function nodeOf(
  deps: BackupDeps,
  site: Site,
  volumes: ContentVolume[],
  sources: CopySource[],
): Promise<Record<string, string> | null> {
  const bound = volumes.some(
    (volume, at) => !sources[at]?.temporary && !volume.accessModes.includes('ReadWriteMany'),
  );
  return bound ? selectorOf(await requireDeployment(siteCluster(deps, site), site)) : null;
}

/** The objects of the point, for the copy that is read without the cluster: without the login that its Secret holds. */
async function objectsOf(deps: BackupDeps, { site, id, volumes }: FilesInput): Promise<string> {
  const k = siteCluster(deps, site);
  const kept = await readRecovery(k, site, id);
  const deployment = kept?.deployment ?? (await readDeployment(k, site));
  const configMaps: (V1ConfigMap | null)[] = [];
  for (const name of configMapsOf(deployment?.spec?.template ?? {})) {
    configMaps.push(await readConfigMap(k, site, name));
  }
  const claims: (V1PersistentVolumeClaim | null)[] = [];
  for (const { claim } of volumes) claims.push(await readClaim(k, site, claim));
  const objects = {
    schema: 1,
    takenAt: kept?.takenAt ?? deps.now().toISOString(),
    deployment,
    service: kept?.service ?? null,
    disruptionBudgets: kept?.disruptionBudgets ?? [],
    configMaps: configMaps.filter((one) => one !== null),
    claims: claims.filter((one) => one !== null),
  };
  return JSON.stringify(objects, (key, value: unknown) =>
    key === 'managedFields' ? undefined : value,
  );
}

/** The CDN's rules that the point's Secret keeps, packed, for the copy that is read without the cluster. */
async function cdnRulesOf(
  deps: BackupDeps,
  { site, id }: FilesInput,
): Promise<Record<string, string>> {
  const packed = await packedNearby(deps, site, id);
  return packed === null ? {} : { [rulesKey]: packed };
}

/** The cluster lets them go as soon as the Job's pod has: what follows does not wait for that. */
async function removeCopies(deps: BackupDeps, site: Site, names: string[]): Promise<void> {
  const k = siteCluster(deps, site);
  const { namespace } = site.cluster;
  for (const name of names) {
    await remove(k, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name });
  }
}
