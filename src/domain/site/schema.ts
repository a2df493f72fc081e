import { z } from 'zod';
import {
  backup,
  cache,
  cdn,
  drill,
  load,
  media,
  notifications,
  plugins,
  slo,
} from './later-phases.ts';
import {
  absolutePath,
  dnsLabel,
  duration,
  hostname,
  imageReference,
  nonEmptyText,
  port,
  quantity,
  secretReference,
  url,
} from './values.ts';

export { secretReference } from './values.ts';

/**
 * The site file, `sites/<name>.yaml`. One schema checks it, gives its TypeScript type and prints the JSON Schema for
 * editors. Durations are ISO 8601 ("PT5M"), sizes Kubernetes quantities ("5Gi"). Every field has a description;
 * docs/reference/site-file.md is made from them.
 *
 * What compares fields with each other is in cross-checks.ts. Workflows import this file's types only.
 */

const hosts = z
  .strictObject({
    names: z
      .array(hostname)
      .min(1)
      .optional()
      .describe('Host names that visitors use; the first is the canonical one.'),
    tfvars: z
      .strictObject({
        file: nonEmptyText.describe('Path of the .tfvars file, relative to the site file.'),
        variables: z
          .array(nonEmptyText)
          .min(1)
          .describe('Variables whose values are host names (strings or lists of strings).'),
      })
      .optional()
      .describe('Takes the host names from a Terraform variables file instead of `names`.'),
    issuer: nonEmptyText
      .optional()
      .describe('cert-manager ClusterIssuer that issues the certificate.'),
    ingressClass: nonEmptyText
      .optional()
      .describe('IngressClass that serves the site; whatever the Ingress says when absent.'),
  })
  .describe('Host names of the site. Exactly one of `names` and `tfvars` is given.');

const cluster = z
  .strictObject({
    namespace: dnsLabel.describe('Namespace of the site.'),
    deployment: dnsLabel.describe('Deployment that runs WordPress.'),
    service: dnsLabel.describe('Service in front of it.'),
    container: dnsLabel.default('wordpress').describe("Container with PHP's command line."),
    context: nonEmptyText
      .optional()
      .describe('Context of the kubeconfig; the default is its current one.'),
  })
  .describe('Where the site runs on Kubernetes.');

const wordpress = z
  .strictObject({
    image: imageReference.describe(
      'Image with WordPress core; its contract is that of the official image.',
    ),
    toolboxImage: imageReference.describe(
      'Image for Jobs next to the data: coreutils, bash, restic, MySQL client, rclone.',
    ),
    documentRoot: absolutePath
      .default('/var/www/html')
      .describe("WordPress's folder in the container."),
    user: z
      .int()
      .min(1)
      .default(33)
      .describe('Numeric id of www-data: 33 on Debian, 82 on Alpine.'),
    adminCredentials: secretReference.describe(
      'Secret with `username` and `password` of an administrator.',
    ),
    replicas: z.int().min(2).default(2).describe('Replicas after phase 1.'),
  })
  .describe('WordPress and its images.');

const database = z
  .strictObject({
    engine: z.enum(['mysql', 'mariadb']).default('mysql').describe('Kind of server.'),
    host: hostname.describe('Host name of the server, as its certificate has it.'),
    port: port.default(3306).describe('Its port.'),
    name: z
      .string()
      .regex(/^[\w$-]{1,64}$/, 'a database name: letters, digits, _, $ and -')
      .meta({ title: 'a database name: letters, digits, _, $ and -' })
      .describe("WordPress's database."),
    credentials: secretReference.describe('Secret with `username` and `password`.'),
    ca: secretReference
      .optional()
      .describe('CA certificate (PEM); from the provider when absent, so needed without one.'),
    adminCredentials: secretReference
      .optional()
      .describe(
        'Secret with `username` and `password` of an administrator, who makes the throwaway databases of drills and rollbacks.',
      ),
    managed: z
      .strictObject({
        provider: z.enum(['digitalocean']).describe('Who runs the database.'),
        clusterId: z
          .uuid()
          .meta({ title: 'a UUID' })
          .describe("Id of the database cluster in the provider's API."),
        token: secretReference.describe("Token for the provider's API."),
        apiEndpoint: url.optional().describe("The provider's API; the official one when absent."),
      })
      .optional()
      .describe("The provider's API of a managed database."),
  })
  .describe('The database, reached over verified TLS.');

const storage = z
  .strictObject({
    sharedClaim: z
      .strictObject({
        name: dnsLabel.default('wp-content').describe('Name of the claim.'),
        size: quantity.default('10Gi').describe('Its size.'),
        storageClass: nonEmptyText
          .optional()
          .describe("StorageClass that can share a volume; the cluster's default when absent."),
      })
      .prefault({})
      .describe('The claim that every replica mounts for plugins and themes.'),
    provisioner: z
      .discriminatedUnion('kind', [
        z.strictObject({
          kind: z
            .literal('nfs-server')
            .describe('In-cluster NFS server on a block volume, with the nfs-subdir provisioner.'),
          backingClass: nonEmptyText
            .default('do-block-storage')
            .describe("StorageClass of the NFS server's own volume."),
          size: quantity.default('50Gi').describe("Size of the NFS server's own volume."),
        }),
        z.strictObject({
          kind: z
            .literal('digitalocean-nfs')
            .describe('DigitalOcean Network File Storage, mounted as static volume.'),
          server: nonEmptyText.describe('Address of the share.'),
          path: absolutePath.describe('Its path.'),
          shareId: z
            .uuid()
            .optional()
            .meta({ title: 'a UUID' })
            .describe("Id of the share in the provider's API, for its snapshots."),
          token: secretReference
            .optional()
            .describe(
              "Token for the provider's API, for snapshots; that of `database.managed` when absent.",
            ),
        }),
      ])
      .optional()
      .describe('What to install where the cluster has no class that can share a volume.'),
    objects: z
      .strictObject({
        provider: z
          .enum(['spaces', 'r2', 's3'])
          .describe('DigitalOcean Spaces, Cloudflare R2, or Amazon S3 and what speaks like it.'),
        bucket: z
          .string()
          .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'a bucket name of 3 to 63 characters')
          .meta({
            title: 'a bucket name: lower case letters, digits, - and ., 3 to 63 characters',
          })
          .describe('The bucket of this site; created when missing.'),
        region: nonEmptyText.describe("The provider's name of the region (r2: `auto`)."),
        endpoint: url
          .optional()
          .describe("The provider's endpoint of the region when absent (r2: needed)."),
        ca: secretReference
          .optional()
          .describe('CA certificate (PEM) of the endpoint; the public authorities when absent.'),
        adminCredentials: secretReference
          .optional()
          .describe(
            'Secret with `accessKeyId` and `secretAccessKey` that may create and configure the bucket.',
          ),
        credentials: secretReference.describe(
          'Secret with the keys for this bucket alone; created where the provider has an API.',
        ),
      })
      .describe('Object storage for media and recovery points.'),
  })
  .describe('Storage that replicas share.');

const gate = z.strictObject({
  quorum: z.int().min(1).default(1).describe('How many approvers must say yes.'),
  twoPerson: z.boolean().default(true).describe('The requester may not approve.'),
  deadline: duration
    .default('P3D')
    .describe('After it, the deputies are asked; after it once more, the gate closes.'),
  remindEvery: duration.default('P1D').describe('How often an open gate reminds its approvers.'),
});

const approvals = z
  .strictObject({
    approvers: z
      .array(nonEmptyText)
      .min(1)
      .describe('Who may decide, by the names that `presslift approve --as` gives.'),
    deputies: z
      .array(nonEmptyText)
      .default([])
      .describe('Who may decide too once a deadline has passed.'),
    gates: z
      .strictObject({
        apply: gate.prefault({}).describe('Before the changes of an operation are made.'),
        'go-no-go': gate.prefault({}).describe('Between the phases of the roadmap.'),
      })
      .prefault({})
      .describe('The rules of each gate.'),
  })
  .describe('Who approves what.');

/** The sections by name, for checks that look at one that is well formed while another is not. */
export const siteSections = {
  name: dnsLabel.describe("The site's name; the file is called `<name>.yaml`."),
  title: nonEmptyText.optional().describe('What people call the site.'),
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
};

export const siteSchema = z
  .strictObject(siteSections)
  .describe('A WordPress site that Presslift looks after.');

/** The site as written. */
export type SiteFile = z.input<typeof siteSchema>;

type CheckedSite = z.output<typeof siteSchema>;

/** The resolved site: defaults filled in, host names known. JSON, without secrets. */
export type Site = Omit<CheckedSite, 'hosts'> & {
  hosts: Omit<CheckedSite['hosts'], 'names' | 'tfvars'> & { names: string[] };
};

export type GatePolicy = z.output<typeof gate>;
