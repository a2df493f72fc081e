import type { PointInput } from '../../activities/contracts.ts';
import type { Json } from '../../domain/json.ts';
import type { RecoveryPointRef } from '../../domain/operation.ts';
import type {
  AppPart,
  CdnPart,
  FilesPart,
  ObjectStoragePart,
  WordPressPart,
} from '../../domain/recovery/point.ts';
import { runActivity } from './activities.ts';
import { together } from './together.ts';

/** What is described besides the copies; a part that could not be is null. */
export interface Description {
  objects: RecoveryPointRef;
  wordpress: WordPressPart | null;
  app: AppPart | null;
  cdn: CdnPart | null;
  objectStorage: ObjectStoragePart | null;
}

/** Runs what a point can do without; null, and said in the point, when it fails. */
export type OrMissing = <T>(what: string, work: () => Promise<T>) => Promise<T | null>;

interface Describing {
  /** The profile of what can be done without; undefined for its usual one. */
  patience: 'brief' | undefined;
  orMissing: OrMissing;
}

/**
 * Describes WordPress, the Deployment, the CDN and the bucket. The objects have to be kept, for undo goes back to them; what else is
 * not answered is missing.
 *
 * @throws what `takeRecoveryPoint` throws.
 */
export async function describeSite(
  input: PointInput,
  { patience, orMissing }: Describing,
): Promise<Description> {
  const { site } = input;
  const describeWordPress = () =>
    runActivity('describeWordPress', input, 'Ask WordPress', patience);
  const describeBucket = () =>
    runActivity('describeObjectStorage', { site }, 'Describe the bucket', patience);
  const [ofObjects, wordpress, objectStorage] = await together<
    [Pick<Description, 'objects' | 'app' | 'cdn'>, WordPressPart | null, ObjectStoragePart | null]
  >([
    () => describeObjects(input, { patience, orMissing }),
    () => orMissing('what WordPress says of itself', describeWordPress),
    () => orMissing("the bucket's state", describeBucket),
  ]);
  return { ...ofObjects, wordpress, objectStorage };
}

/** The objects first: their Secret holds what the other two add. */
async function describeObjects(
  input: PointInput,
  { patience, orMissing }: Describing,
): Promise<Pick<Description, 'objects' | 'app' | 'cdn'>> {
  const { site, id } = input;
  const { objectsSecret, ...objects } = await runActivity(
    'takeRecoveryPoint',
    { ...input, plan: null },
    'Keep the Kubernetes objects',
  );
  const describeApp = () =>
    runActivity('describeApp', { ...input, objectsSecret }, 'Describe the Deployment', patience);
  const describeCdn = () =>
    runActivity('describeCdn', { site, id }, "Describe the CDN's rules", patience);
  const [app, cdn] = await together<[AppPart | null, CdnPart | null]>([
    () => orMissing('the description of the Deployment', describeApp),
    () => orMissing("the CDN's rules", describeCdn),
  ]);
  return { objects, app, cdn };
}

/** What changed while it was copied is in the copy, if at all, without proof. */
export function unsettledIn({ unsettled = [] }: FilesPart): string[] {
  if (unsettled.length === 0) return [];
  const more = unsettled.length > 3 ? `, … (${unsettled.length})` : '';
  return [
    `proof of files that changed while they were copied: ${unsettled.slice(0, 3).join(', ')}${more}`,
  ];
}

/** What no recovery point of this site can hold. */
export function limitsOf(objectStorage: ObjectStoragePart | null): string[] {
  return [
    'values of Secrets (their names alone)',
    ...(objectStorage === null || objectStorage.versioning
      ? []
      : [`earlier versions of what is in the bucket ${objectStorage.bucket} (no versioning)`]),
    ...(objectStorage?.objectLock === null
      ? [
          `object lock on its document (no keys of the site may ask whether the bucket ${objectStorage.bucket} has it)`,
        ]
      : []),
  ];
}

/** As the result of a step. */
export function describeResult({ objects, wordpress, app, cdn, objectStorage }: Description): Json {
  return {
    objects: objects.contains.length,
    wordpress: wordpress?.version ?? null,
    plugins: wordpress?.plugins.length ?? null,
    images: app === null ? null : Object.values(app.images),
    rulesets: cdn?.rulesets.length ?? null,
    bucket: objectStorage?.bucket ?? null,
  };
}
