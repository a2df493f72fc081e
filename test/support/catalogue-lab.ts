import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectStorage } from '../../src/activities/object-storage/client.ts';
import { openCatalogue, type Catalogue } from '../../src/activities/recovery/catalogue.ts';
import type { Site } from '../../src/domain/site/schema.ts';
import { openLabStorage, type RecoveryLab } from './recovery-lab.ts';

/** A catalogue in a bucket of its own. */
export interface LabCatalogue {
  Bucket: string;
  site: Site;
  storage: ObjectStorage;
  catalogue: Catalogue;
  close: () => void;
}

let buckets = 0;

export async function openLabCatalogue(lab: RecoveryLab): Promise<LabCatalogue> {
  const Bucket = `catalogue-${(buckets += 1)}`;
  const site = structuredClone(lab.site);
  site.storage.objects.bucket = Bucket;
  const storage = openLabStorage(lab, Bucket);
  await storage.client.send(new CreateBucketCommand({ Bucket }));
  const catalogue = await openCatalogue(lab.deps, site);
  const close = () => {
    catalogue.close();
    storage.close();
  };
  return { Bucket, site, storage, catalogue, close };
}

/** Writes an object past the catalogue. */
export const putObject = ({ client }: ObjectStorage, Bucket: string, Key: string, Body: string) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body }));

/** Ids of three points of acme, oldest first. */
export const [first, second, third] = [
  '20261121T030000Z-acme-backup',
  '20261122T030000Z-acme-hybridStorage',
  '20261123T030000Z-acme-backup',
] as const;

/** Where the bucket has something of a point. */
export const keyOf = (id: string, name = 'point.json') =>
  `presslift/acme/recovery-points/${id}/${name}`;
