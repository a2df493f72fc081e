import { z } from 'zod';
import {
  absolutePath,
  cronExpression,
  duration,
  hostname,
  nonEmptyText,
  port,
  secretReference,
  url,
} from './values.ts';

/** Sections of the site file that phases 2 to 6, backups and plugin rollouts read. All of them may be left out. */

export const media = z
  .strictObject({
    plugin: z
      .enum(['s3-uploads', 'offload-media'])
      .default('s3-uploads')
      .describe('Plugin that writes uploads to object storage.'),
    publicUrl: url
      .optional()
      .describe('Address under which visitors get media; that of the bucket when absent.'),
    deleteLocal: z
      .boolean()
      .default(true)
      .describe('Remove local copies once they are proved to be in the bucket.'),
  })
  .describe('Phase 2: uploads in object storage.');

export const cdn = z
  .strictObject({
    provider: z.enum(['cloudflare']).describe('Content delivery network in front of the site.'),
    zoneId: nonEmptyText.describe('Id of the zone that holds the host names.'),
    token: secretReference.describe('API token for this zone.'),
    apiEndpoint: url.optional().describe("The provider's API; the official one when absent."),
    purgeBatch: z
      .int()
      .min(1)
      .max(100)
      .default(30)
      .describe('How many host names one request empties the cache for.'),
    htmlTtl: duration.default('PT1H').describe('How long pages for anonymous visitors are kept.'),
    assetTtl: duration.default('P30D').describe('How long images, styles and scripts are kept.'),
    bypassPaths: z
      .array(absolutePath)
      .default([])
      .describe("Paths that are never cached, besides WordPress's own."),
  })
  .describe('Phases 2 and 3: the content delivery network.');

export const cache = z
  .strictObject({
    page: z
      .enum(['nginx-fastcgi', 'plugin', 'none'])
      .default('nginx-fastcgi')
      .describe('Where whole pages are cached in the cluster.'),
    redis: z
      .strictObject({
        host: hostname.describe('Host name of the Redis or Valkey server.'),
        port: port.default(6379).describe('Its port.'),
        credentials: secretReference
          .optional()
          .describe('Secret with `password`, and `username` where there is one.'),
      })
      .optional()
      .describe('Server of the object cache; no object cache when absent.'),
  })
  .describe('Phase 3: page cache and object cache.');

export const slo = z
  .strictObject({
    availabilityPercent: z
      .number()
      .gt(0)
      .lt(100)
      .default(99.9)
      .describe('Share of requests that must succeed, in percent.'),
    latency: z
      .strictObject({
        p95Ms: z.int().min(1).default(500).describe('95 of 100 requests are at most this slow.'),
        p99Ms: z.int().min(1).default(1500).describe('99 of 100 requests are at most this slow.'),
      })
      .prefault({})
      .describe('Latency objectives in milliseconds.'),
    window: duration.default('P30D').describe('Time over which the objectives are counted.'),
  })
  .describe('Phase 4: service level objectives.');

export const load = z
  .strictObject({
    requestsPerSecond: z.int().min(1).default(20).describe('Constant rate of a load test.'),
    duration: duration.default('PT10M').describe('How long a load test takes.'),
    paths: z.array(absolutePath).min(1).default(['/']).describe('Paths that it asks for.'),
  })
  .describe('Phase 3: load tests.');

export const backup = z
  .strictObject({
    schedule: cronExpression.default('0 3 * * *').describe('When a recovery point is taken.'),
    timeZone: nonEmptyText
      .default('UTC')
      .describe('IANA time zone of the schedules, such as Europe/Berlin.'),
    repository: nonEmptyText
      .optional()
      .describe('restic repository; in the bucket of `storage.objects` when absent.'),
    credentials: secretReference
      .optional()
      .describe(
        'Secret with `accessKeyId` and `secretAccessKey` for the repository; those of `storage.objects` when absent.',
      ),
    region: nonEmptyText
      .optional()
      .describe(
        "Region that the repository's requests are signed for; that of `storage.objects` when absent.",
      ),
    ca: secretReference
      .optional()
      .describe(
        "CA certificate (PEM) of the repository's endpoint; that of `storage.objects` when neither this nor `credentials` is set.",
      ),
    password: secretReference
      .optional()
      .describe(
        'Secret with `password` of the repository; no copies leave the cluster without one. Keep it outside the cluster too.',
      ),
    exclude: z
      .array(nonEmptyText)
      .default(['wp-content/cache', 'wp-content/upgrade', 'wp-content/upgrade-temp-backup'])
      .describe('Files and folders below the document root that are not copied.'),
    readDataSubset: z
      .string()
      .regex(/^(100|[1-9]?\d)%$/, 'a percentage from 0% to 100%')
      .meta({ title: 'a percentage from 0% to 100%' })
      .default('5%')
      .describe('How much of the repository is read and checked after each backup.'),
    maxAge: duration
      .default('PT26H')
      .describe('A newest recovery point that is older counts as late, and people are told.'),
    localSnapshots: z
      .int()
      .min(0)
      .default(2)
      .describe('How many recovery points keep their snapshots of volumes in the cluster.'),
    keep: z
      .strictObject({
        last: z
          .int()
          .min(1)
          .default(5)
          .describe('Newest recovery points that stay in any case, also several of one day.'),
        hourly: z.int().min(0).default(0).describe('Newest recovery points of that many hours.'),
        daily: z.int().min(1).default(7).describe('Newest recovery points of that many days.'),
        weekly: z.int().min(0).default(4).describe('Newest recovery points of that many weeks.'),
        monthly: z.int().min(0).default(6).describe('Newest recovery points of that many months.'),
      })
      .prefault({})
      .describe('How many recovery points are kept.'),
  })
  .describe('Recovery points off the cluster.');

export const drill = z
  .strictObject({
    schedule: cronExpression.default('0 5 * * 1').describe('When a restore is rehearsed.'),
    rto: duration.default('PT30M').describe('Recovery time objective: a restore is done in this.'),
    rpo: duration
      .default('P1D')
      .describe('Recovery point objective: a restore loses at most this much.'),
    host: hostname
      .optional()
      .describe('Host name of the restored copy; `<site>.drill.invalid` when absent.'),
    storageClass: nonEmptyText
      .optional()
      .describe(
        "StorageClass of a drill's own volumes; the live claim's when that makes and deletes volumes by itself, else the cluster's default, when absent.",
      ),
    mediaSample: z.int().min(1).default(20).describe('How many media files are asked for.'),
    timeout: duration
      .default('PT4H')
      .describe('After it a drill has failed, and what it made is removed.'),
  })
  .describe('Rehearsals of a restore.');

export const plugins = z
  .strictObject({
    hold: z
      .array(nonEmptyText)
      .default([])
      .describe('Plugins that a rollout never updates, by folder name.'),
    watchWindow: duration
      .default('PT30M')
      .describe('How long a rollout watches the site before it counts as good.'),
  })
  .describe('Rollouts of plugin updates.');

export const notifications = z
  .strictObject({
    webhooks: z
      .array(
        z.strictObject({
          url: secretReference.describe('Where the message is posted; the address is a secret.'),
          kinds: z
            .array(
              z.enum([
                'gate-opened',
                'gate-reminder',
                'gate-escalated',
                'gate-closed',
                'needs-operator',
                'finished',
                'backup-late',
                'drill-failed',
              ]),
            )
            .optional()
            .describe('Kinds of messages that are posted; all when absent.'),
        }),
      )
      .default([])
      .describe('Addresses that get a JSON document by POST.'),
  })
  .describe('Messages to people.');
