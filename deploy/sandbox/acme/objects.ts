/** Kubernetes objects of the site `acme` as it is before the roadmap. sites/acme.yaml names the same things. */
import type { KubernetesObject } from '@kubernetes/client-node';
import { imageReference } from '../build/image-catalogue.ts';
import type { SandboxCredentials } from '../credentials.ts';
import { endpoints, hostNames } from '../settings.ts';

export const namespace = 'acme';
export const adminUser = 'admin';
export const documentRoot = '/var/www/html';

/** Claim with the whole document root: core, plugins, themes, uploads and wp-config.php. */
const claimName = 'wordpress';

/** Pod in which the site's files and database are saved and put back. */
export const helperPod = 'acme-helper';

const labels = { 'app.kubernetes.io/name': 'wordpress', 'app.kubernetes.io/instance': namespace };
const databaseCa = { secret: 'database-ca', key: 'ca.crt', folder: '/etc/db-ca' } as const;

/**
 * Settings of the site itself, which a migration has to carry over. The database is spoken to by TLS alone, its
 * certificate checked. Requests to other hosts fail at once: there is no network that they would reach, and
 * a visitor would wait for the time-out.
 */
export const configExtra = `define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT);
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_ACCESSIBLE_HOSTS', '${hostNames.acme}');
`;

const databaseVariables = [
  { name: 'WORDPRESS_DB_HOST', value: `${endpoints.database.host}:${endpoints.database.port}` },
  { name: 'WORDPRESS_DB_NAME', value: 'wordpress' },
  fromSecret('WORDPRESS_DB_USER', 'wordpress-database', 'username'),
  fromSecret('WORDPRESS_DB_PASSWORD', 'wordpress-database', 'password'),
];

/** Secrets that sites/acme.yaml refers to. `ca` is the certificate (PEM) that the database's is checked against. */
export function secrets(credentials: SandboxCredentials, ca: string): KubernetesObject[] {
  const { objectStorageAccessKey, objectStorageSecretKey } = credentials;
  return [
    secret('wordpress-admin', {
      username: adminUser,
      password: credentials.wordpressAdminPassword,
    }),
    secret('wordpress-database', {
      username: 'wordpress',
      password: credentials.wordpressDatabasePassword,
    }),
    secret(databaseCa.secret, { [databaseCa.key]: ca }),
    secret(
      'object-storage-admin',
      { accessKeyId: objectStorageAccessKey, secretAccessKey: objectStorageSecretKey },
      'presslift',
    ),
    secret(
      'database-admin',
      { username: 'doadmin', password: credentials.databaseAdminPassword },
      'presslift',
    ),
    secret('acme-backup', { password: credentials.backupPassword }, 'presslift'),
  ];
}

export const claim: KubernetesObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: claimName, namespace, labels },
  spec: {
    accessModes: ['ReadWriteOnce'],
    storageClassName: 'presslift-rwo',
    resources: { requests: { storage: '5Gi' } },
  },
} as KubernetesObject;

/**
 * One replica with everything on one volume, as sites are set up in a hurry: no preStop, no limits, and no keys and
 * salts, so that the entrypoint drew them into wp-config.php on the volume.
 */
export const deployment: KubernetesObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'wordpress', namespace, labels },
  spec: {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        containers: [
          {
            name: 'php',
            image: imageReference('wordpress'),
            args: ['php'],
            env: [
              ...databaseVariables,
              { name: 'PHP_OPENSSL_CAFILE', value: `${databaseCa.folder}/${databaseCa.key}` },
              { name: 'WORDPRESS_CONFIG_EXTRA', value: configExtra },
            ],
            volumeMounts: [
              { name: 'document-root', mountPath: documentRoot },
              { name: 'database-ca', mountPath: databaseCa.folder, readOnly: true },
            ],
          },
          {
            name: 'web',
            image: imageReference('wordpress'),
            args: ['web'],
            ports: [{ name: 'http', containerPort: 8080 }],
            readinessProbe: {
              httpGet: {
                path: '/wp-login.php',
                port: 'http',
                // Or else WordPress redirects to its HTTPS address, which counts as an answer whatever is there.
                httpHeaders: [
                  { name: 'Host', value: hostNames.acme },
                  { name: 'X-Forwarded-Proto', value: 'https' },
                ],
              },
              periodSeconds: 5,
              // A loaded PHP needs more than the usual second, and out of service it would serve nobody.
              timeoutSeconds: 5,
              failureThreshold: 6,
            },
            volumeMounts: [{ name: 'document-root', mountPath: documentRoot }],
          },
        ],
        volumes: [
          { name: 'document-root', persistentVolumeClaim: { claimName } },
          { name: 'database-ca', secret: { secretName: databaseCa.secret } },
        ],
      },
    },
  },
} as KubernetesObject;

export const traffic: KubernetesObject[] = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'wordpress', namespace, labels },
    spec: { selector: labels, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  } as KubernetesObject,
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name: 'wordpress',
      namespace,
      labels,
      annotations: { 'cert-manager.io/cluster-issuer': 'presslift-ca' },
    },
    spec: {
      ingressClassName: 'traefik',
      tls: [{ hosts: [hostNames.acme], secretName: 'wordpress-tls' }],
      rules: [
        {
          host: hostNames.acme,
          http: {
            paths: [
              {
                path: '/',
                pathType: 'Prefix',
                backend: { service: { name: 'wordpress', port: { number: 80 } } },
              },
            ],
          },
        },
      ],
    },
  } as KubernetesObject,
];

/** Holds the site's volume and the way to its database open, with tools. */
export const helper: KubernetesObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: helperPod, namespace },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'tools',
        image: imageReference('toolbox'),
        command: ['sleep', 'infinity'],
        env: [
          { name: 'DATABASE_HOST', value: endpoints.database.host },
          { name: 'DATABASE_PORT', value: String(endpoints.database.port) },
          { name: 'DATABASE_CA', value: `${databaseCa.folder}/${databaseCa.key}` },
          fromSecret('DATABASE_USER', 'wordpress-database', 'username'),
          fromSecret('MYSQL_PWD', 'wordpress-database', 'password'),
        ],
        workingDir: documentRoot,
        volumeMounts: [
          { name: 'document-root', mountPath: documentRoot },
          { name: 'database-ca', mountPath: databaseCa.folder, readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: 'document-root', persistentVolumeClaim: { claimName } },
      { name: 'database-ca', secret: { secretName: databaseCa.secret } },
    ],
  },
} as KubernetesObject;

function secret(name: string, stringData: Record<string, string>, inNamespace = namespace) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: inNamespace },
    type: 'Opaque',
    stringData,
  } as KubernetesObject;
}

function fromSecret(name: string, secretName: string, key: string) {
  return { name, valueFrom: { secretKeyRef: { name: secretName, key } } };
}
