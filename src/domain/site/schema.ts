import { z } from 'zod';

/**
 * The site file, `sites/<name>.yaml`. One schema checks it, gives its TypeScript type and prints the JSON Schema for
 * editors. Durations are ISO 8601 ("PT5M"), sizes Kubernetes quantities ("5Gi").
 *
 * Workflows import this file's types only.
 */

const dnsLabel = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'a DNS label: lower case letters, digits and -');

const hostname = z
  .string()
  .max(253)
  .regex(
    /^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
    'a host name such as www.example.com',
  );

const duration = z
  .string()
  .regex(
    /^P(?!$)(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$/,
    'an ISO 8601 duration such as PT5M or P3D',
  );

const quantity = z
  .string()
  .regex(/^\d+(\.\d+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$/, 'a Kubernetes quantity such as 5Gi');

/**
 * A reference to a secret, never its value: `kubernetes:namespace/name` or `kubernetes:namespace/name#key`,
 * `vault:path` or `vault:path#key`, `env:NAME`.
 */
export const secretReference = z
  .string()
  .regex(
    /^(kubernetes:[a-z0-9.-]+\/[a-z0-9.-]+(#[\w.-]+)?|vault:[\w./-]+(#[\w.-]+)?|env:[A-Za-z_]\w*)$/,
    'a secret reference: kubernetes:<namespace>/<name>[#<key>], vault:<path>[#<key>] or env:<NAME>',
  );

const url = z.url({ protocol: /^https?$/ });

const hosts = z
  .strictObject({
    names: z
      .array(hostname)
      .min(1)
      .optional()
      .describe('Host names that visitors use; the first is the canonical one.'),
    tfvars: z
      .strictObject({
        file: z.string().describe('Path of the .tfvars file, relative to the site file.'),
        variables: z
          .array(z.string())
          .min(1)
          .describe('Variables whose values are host names (strings or lists).'),
      })
      .optional(),
    issuer: z
      .string()
      .optional()
      .describe('cert-manager ClusterIssuer that issues the certificate.'),
    ingressClass: z.string().optional(),
  })
  .refine((value) => (value.names === undefined) !== (value.tfvars === undefined), {
    error: 'exactly one of names and tfvars',
  });

const cluster = z.strictObject({
  namespace: dnsLabel,
  deployment: dnsLabel,
  service: dnsLabel,
  container: dnsLabel.default('wordpress').describe("Container with PHP's command line."),
  context: z
    .string()
    .optional()
    .describe('Context of the kubeconfig; the default is its current one.'),
});

const wordpress = z.strictObject({
  image: z
    .string()
    .describe('Image with WordPress core; its contract is that of the official image.'),
  toolboxImage: z
    .string()
    .describe('Image for Jobs next to the data: coreutils, bash, restic, MySQL client, rclone.'),
  documentRoot: z.string().startsWith('/').default('/var/www/html'),
  user: z.int().min(1).default(33).describe('Numeric id of www-data: 33 on Debian, 82 on Alpine.'),
  adminCredentials: secretReference.describe(
    'Secret with `username` and `password` of an administrator.',
  ),
  replicas: z.int().min(2).default(2).describe('Replicas after phase 1.'),
});

const database = z.strictObject({
  engine: z.enum(['mysql', 'mariadb']).default('mysql'),
  host: hostname,
  port: z.int().min(1).max(65535).default(3306),
  name: z.string().regex(/^[\w$-]{1,64}$/),
  credentials: secretReference.describe('Secret with `username` and `password`.'),
  ca: secretReference.optional().describe('CA certificate (PEM); from the provider when absent.'),
  managed: z
    .strictObject({
      provider: z.enum(['digitalocean']),
      clusterId: z.uuid(),
      token: secretReference,
      apiEndpoint: url.optional().describe("The provider's API; the official one when absent."),
    })
    .optional(),
});

const storage = z.strictObject({
  sharedClaim: z.strictObject({
    name: dnsLabel.default('wp-content'),
    size: quantity.default('10Gi'),
    storageClass: z.string().optional().describe("The cluster's default class when absent."),
  }),
  provisioner: z
    .discriminatedUnion('kind', [
      z.strictObject({
        kind: z
          .literal('nfs-server')
          .describe('In-cluster NFS server on a block volume, with the nfs-subdir provisioner.'),
        backingClass: z.string().default('do-block-storage'),
        size: quantity.default('50Gi'),
      }),
      z.strictObject({
        kind: z
          .literal('digitalocean-nfs')
          .describe('DigitalOcean Network File Storage, mounted as static volume.'),
        server: z.string(),
        path: z.string().startsWith('/'),
      }),
    ])
    .optional()
    .describe('What to install where the cluster has no class that can share a volume.'),
  objects: z.strictObject({
    provider: z.enum(['spaces', 'r2', 's3']),
    bucket: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket name of 3 to 63 characters'),
    region: z.string(),
    endpoint: url
      .optional()
      .describe("The provider's endpoint of the region when absent (r2: needed)."),
    adminCredentials: secretReference
      .optional()
      .describe(
        'Secret with `accessKeyId` and `secretAccessKey` that may create and configure the bucket.',
      ),
    credentials: secretReference.describe(
      'Secret with the keys for this bucket alone; created where the provider has an API.',
    ),
  }),
});

const media = z.strictObject({
  plugin: z.enum(['s3-uploads', 'offload-media']).default('s3-uploads'),
  publicUrl: url.optional(),
  deleteLocal: z.boolean().default(true),
});

const cdn = z.strictObject({
  provider: z.enum(['cloudflare']),
  zoneId: z.string(),
  token: secretReference,
  apiEndpoint: url.optional(),
  htmlTtl: duration.default('PT1H'),
  assetTtl: duration.default('P30D'),
  bypassPaths: z.array(z.string().startsWith('/')).default([]),
});

const cache = z.strictObject({
  page: z.enum(['nginx-fastcgi', 'plugin', 'none']).default('nginx-fastcgi'),
  redis: z
    .strictObject({
      host: hostname,
      port: z.int().min(1).max(65535).default(6379),
      credentials: secretReference.optional(),
    })
    .optional(),
});

const slo = z.strictObject({
  availabilityPercent: z.number().gt(0).lt(100).default(99.9),
  latency: z
    .strictObject({ p95Ms: z.int().min(1).default(500), p99Ms: z.int().min(1).default(1500) })
    .prefault({}),
  window: duration.default('P30D'),
});

const load = z.strictObject({
  requestsPerSecond: z.int().min(1).default(20),
  duration: duration.default('PT10M'),
  paths: z.array(z.string().startsWith('/')).min(1).default(['/']),
});

const backup = z.strictObject({
  schedule: z.string().default('0 3 * * *').describe('Cron expression.'),
  timeZone: z.string().default('UTC'),
  repository: z.string().optional().describe('restic repository; the site bucket when absent.'),
  password: secretReference.optional(),
  keep: z
    .strictObject({
      hourly: z.int().min(0).default(0),
      daily: z.int().min(1).default(7),
      weekly: z.int().min(0).default(4),
      monthly: z.int().min(0).default(6),
    })
    .prefault({}),
});

const drill = z.strictObject({
  schedule: z.string().default('0 5 * * 1'),
  rto: duration.default('PT30M'),
  rpo: duration.default('P1D'),
});

const plugins = z.strictObject({
  hold: z.array(z.string()).default([]).describe('Plugins that are never updated by a rollout.'),
  watchWindow: duration.default('PT30M'),
});

const gate = z.strictObject({
  quorum: z.int().min(1).default(1),
  twoPerson: z.boolean().default(true).describe('The requester may not approve.'),
  deadline: duration
    .default('P3D')
    .describe('After it, the deputies are asked; after it once more, the gate closes.'),
  remindEvery: duration.default('P1D'),
});

const approvals = z.strictObject({
  approvers: z.array(z.string().min(1)).min(1),
  deputies: z.array(z.string().min(1)).default([]),
  gates: z.partialRecord(z.enum(['apply', 'go-no-go']), gate).default({}),
});

const notifications = z.strictObject({
  webhooks: z
    .array(
      z.strictObject({
        url: secretReference.describe('The URL is a secret.'),
        kinds: z.array(z.string()).optional(),
      }),
    )
    .default([]),
});

export const siteSchema = z
  .strictObject({
    name: dnsLabel,
    title: z.string().optional(),
    hosts,
    cluster,
    wordpress,
    database,
    storage,
    approvals,
    media: media.prefault({}),
    cdn: cdn.optional(),
    cache: cache.prefault({}),
    slo: slo.prefault({}),
    load: load.prefault({}),
    backup: backup.prefault({}),
    drill: drill.prefault({}),
    plugins: plugins.prefault({}),
    notifications: notifications.prefault({}),
  })
  .describe('A WordPress site that Presslift looks after.');

/** The site as written. */
export type SiteFile = z.input<typeof siteSchema>;

type CheckedSite = z.output<typeof siteSchema>;

/** The resolved site: defaults filled in, host names known. JSON, without secrets. */
export type Site = Omit<CheckedSite, 'hosts'> & {
  hosts: Omit<CheckedSite['hosts'], 'names' | 'tfvars'> & { names: string[] };
};

export type GatePolicy = z.output<typeof gate>;
