import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where things of the sandbox are: addresses, ports, names and folders. Nothing outside deploy/sandbox, test/e2e and
 * sites/acme.yaml knows any of these.
 *
 * Programs listen on loopback addresses of their own (127.85.0.x: the whole 127/8 is loopback), so that they do not meet
 * what the machine runs already. What pods must reach listens on the bridge's address too.
 */
export const network = {
  bridge: 'plbr0',
  /** The node's address on the pod network; pods reach host programs here. */
  nodeAddress: '10.85.0.1',
  podCidr: '10.85.0.0/16',
  serviceCidr: '10.96.0.0/16',
  kubernetesServiceAddress: '10.96.0.1',
  /** Visitors come in here (Traefik, 80 and 443). */
  ingressAddress: '127.85.0.1',
  /** Everything else that only this machine uses. */
  loopback: '127.0.0.1',
  /** From here the stand-in for the provider asks its databases; no trusted source keeps it out. */
  provider: '127.85.0.254',
} as const;

export const domain = 'presslift.test';

export const hostNames = {
  acme: `acme.${domain}`,
  database: `db.${domain}`,
  /** The database by its name in the private network. */
  privateDatabase: `private-db.${domain}`,
  objectStorage: `s3.${domain}`,
} as const;

export const ports = {
  etcdClient: 23790,
  etcdPeer: 23800,
  kubernetesApi: 16443,
  registry: 5000,
  database: 13306,
  objectStorage: 17070,
  objectStorageAdmin: 17071,
  temporal: 7233,
  temporalUi: 8233,
  digitalocean: 17080,
  cloudflare: 17081,
  vault: 17082,
  certManagerWebhook: 10260,
} as const;

export const endpoints = {
  kubernetesApi: `https://${network.loopback}:${ports.kubernetesApi}`,
  registry: `localhost:${ports.registry}`,
  database: { host: hostNames.database, port: ports.database },
  objectStorage: `https://${hostNames.objectStorage}:${ports.objectStorage}`,
  temporal: `${network.loopback}:${ports.temporal}`,
  temporalUi: `http://${network.loopback}:${ports.temporalUi}`,
  digitalocean: `http://${network.loopback}:${ports.digitalocean}`,
  cloudflare: `http://${network.loopback}:${ports.cloudflare}`,
  vault: `http://${network.loopback}:${ports.vault}`,
  acme: `https://${hostNames.acme}`,
} as const;

/** Fixed identity of the sandbox's "managed" database cluster at the DigitalOcean stand-in. */
export const databaseClusterId = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';

/** Fixed identity of acme's zone at the Cloudflare stand-in. */
export const cloudflareZoneId = '023e105f4ecef8ad9ca31a8372d0c353';

/** What the stand-in for DigitalOcean's API knows of this machine besides databases, for trusted sources. */
export const digitaloceanResources = {
  /** Its Kubernetes cluster: all pods. */
  kubernetesClusterId: 'ff2a6c52-5a44-4b63-b99c-0e98e7a63d61',
  /** The machine as a Droplet, and the tag on it. */
  dropletId: '163973392',
  dropletTag: 'presslift-sandbox',
} as const;

/** Ports of database clusters that are restored from a backup. */
export const databaseForkPorts = { first: 13310, last: 13339 } as const;

/** State of the running sandbox; short, because UNIX socket paths under it must stay below 108 bytes. */
export const stateDir = process.env.PRESSLIFT_SANDBOX_DIR ?? '/var/lib/presslift';

/** Finished binaries, images and package trees, kept over `down` and `reset`. */
export const cacheDir = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'presslift');

export const paths = {
  state: stateDir,
  cache: cacheDir,
  logs: join(stateDir, 'logs'),
  pids: join(stateDir, 'pids'),
  /** One CA for everything that this sandbox signs, and leaf certificates below it. */
  pki: join(stateDir, 'pki'),
  kubernetes: join(stateDir, 'k8s'),
  kubeconfigs: join(stateDir, 'kubeconfigs'),
  adminKubeconfig: join(stateDir, 'kubeconfigs', 'admin.yaml'),
  /** Kubeconfig of the worker's ServiceAccount with the rights of deploy/rbac.yaml and no others. */
  workerKubeconfig: join(stateDir, 'kubeconfigs', 'worker.yaml'),
  /** Generated passwords and keys (mode 0600), one JSON file. */
  credentials: join(stateDir, 'credentials.json'),
  /** Environment for the worker and the command line, as `KEY=value` lines. */
  environment: join(stateDir, 'sandbox.env'),
} as const;
