import { readFileSync } from 'node:fs';
import type { V1Deployment, V1PodTemplateSpec, V1Service } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { digestOf } from '../../src/domain/digest.ts';
import type { HybridStorageFacts } from '../../src/domain/planners/hybrid-storage-facts.ts';
import { siteSchema, type Site } from '../../src/domain/site/schema.ts';

/** The site of sites/acme.yaml, resolved; `change` may alter the file's content before it is checked. */
export function acme(change: (file: Record<string, never>) => void = () => undefined): Site {
  const file = parse(
    readFileSync(new URL('../../sites/acme.yaml', import.meta.url), 'utf8'),
  ) as Record<string, never>;
  change(file);
  return siteSchema.parse(file) as Site;
}

export const image = 'localhost:5000/presslift/wordpress:6.8.12';

/** What people have before phase 1: nginx and PHP-FPM of one image, the whole document root on one claim. */
export function beforeTemplate(): V1PodTemplateSpec {
  return {
    metadata: { labels: { app: 'wordpress' } },
    spec: {
      containers: [
        {
          name: 'php',
          image,
          args: ['php'],
          env: [
            { name: 'WORDPRESS_DB_HOST', value: 'db.presslift.test:13306' },
            {
              name: 'WORDPRESS_DB_PASSWORD',
              valueFrom: { secretKeyRef: { name: 'wordpress-database', key: 'password' } },
            },
            {
              name: 'WORDPRESS_CONFIG_EXTRA',
              valueFrom: { configMapKeyRef: { name: 'wordpress-extra', key: 'extra' } },
            },
          ],
          volumeMounts: [
            { name: 'docroot', mountPath: '/var/www/html' },
            { name: 'ca', mountPath: '/etc/db-ca' },
          ],
        },
        {
          name: 'web',
          image,
          args: ['web'],
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: {
            httpGet: { path: '/wp-login.php', port: 8080 },
            periodSeconds: 10,
            timeoutSeconds: 1,
          },
          volumeMounts: [{ name: 'docroot', mountPath: '/var/www/html' }],
        },
      ],
      volumes: [
        { name: 'docroot', persistentVolumeClaim: { claimName: 'docroot' } },
        { name: 'ca', secret: { secretName: 'database-ca' } },
      ],
    },
  };
}

export function beforeDeployment(template = beforeTemplate()): V1Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'wordpress', namespace: 'acme' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'wordpress' } },
      strategy: {
        type: 'RollingUpdate',
        rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' },
      },
      template,
    },
  };
}

export function beforeService(): V1Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'wordpress', namespace: 'acme' },
    spec: {
      selector: { app: 'wordpress' },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  };
}

const tree = (name: string) => ({ files: 3, bytes: 300, digest: digestOf(name) });

/** Facts of the sandbox's site before phase 1, all well. */
export function beforeFacts(change: Partial<HybridStorageFacts> = {}): HybridStorageFacts {
  return {
    kubernetes: { major: 1, minor: 35 },
    nodes: 1,
    deployment: beforeDeployment(),
    service: beforeService(),
    otherServices: [],
    disruptionBudgets: [],
    autoscalers: [],
    templateManagers: [],
    docrootClaim: {
      metadata: { name: 'docroot', namespace: 'acme' },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'presslift-rwo' },
    },
    sharedClaim: null,
    storageClasses: [{ name: 'presslift-rwx', isDefault: true }],
    proof: { shared: true, chown: true, writable: true, direct: true, why: null },
    snapshotClass: 'presslift',
    extra: { text: "define('WP_MEMORY_LIMIT', '256M');\n", source: 'ConfigMap' },
    configMapExtra: null,
    saltsSecret: null,
    wordpress: {
      version: '6.8.12',
      multisite: false,
      saltsFingerprint: 'sha256:salts',
      saltsFromEnvironment: false,
      fpmPort: 9000,
      activePlugins: ['akismet/akismet.php'],
    },
    wordpressError: null,
    trees: { plugins: tree('plugins'), themes: tree('themes') },
    inspection: {
      version: '6.8.12',
      imageVersion: '6.8.12',
      content: [],
      beside: [],
      core: {
        changed: { count: 0, first: [] },
        missing: { count: 0, first: [] },
        added: { count: 0, first: [] },
      },
    },
    inspectionError: null,
    pods: { old: 1, new: 0 },
    ...change,
  };
}
