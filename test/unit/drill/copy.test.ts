/** What a drill makes: names that cannot be the live site's, a template that cannot reach it, objects that close it off. */
import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { drillHost, drillNames, unfitNames } from '../../../src/domain/recovery/drill-place.ts';
import {
  copyLabels,
  drillClaim,
  drillDeployment,
  drillNamespace,
  drillNetworkPolicies,
  sealObject,
  workerBinding,
} from '../../../src/domain/recovery/drill-objects.ts';
import { drillTemplate, sealSecret } from '../../../src/domain/recovery/drill-template.ts';
import { acme, beforeTemplate, image } from '../../support/hybrid-fixtures.ts';

const site = acme();
const names = drillNames(site, 'a-drill');

describe('names', () => {
  test('have the fixed prefixes and fit', () => {
    expect(names.namespace).toMatch(/^presslift-drill-[0-9a-f]{6}-[0-9a-f]{8}$/);
    expect(names.database).toMatch(/^presslift_drill_[0-9a-f]{6}_[0-9a-f]{8}$/);
    expect(names.database.length).toBeLessThanOrEqual(32);
    expect(names.host).toBe('acme.drill.invalid');
    expect(unfitNames(site, names)).toBeNull();
  });

  test('follow from site and drill alone', () => {
    expect(drillNames(acme(), 'a-drill')).toEqual(names);
    expect(drillNames(site, 'another').namespace).not.toBe(names.namespace);
  });

  test('differ between installations that share a server and call a site the same', () => {
    const elsewhere = { ...site, cluster: { ...site.cluster, namespace: 'acme-staging' } };
    expect(drillNames(elsewhere, 'a-drill').database).not.toBe(names.database);
  });

  test.each([
    ['namespace', { namespace: 'acme' }],
    ['namespace prefix', { namespace: 'drill-1' }],
    ['schema', { database: 'wordpress' }],
    ['schema characters', { database: 'presslift_drill_`x' }],
    ['host', { host: 'acme.presslift.test' }],
  ])('another %s is refused', (_, change) => {
    expect(unfitNames(site, { ...names, ...change })).not.toBeNull();
  });

  test('the live site is refused even when it is called like a drill', () => {
    const odd = {
      ...site,
      cluster: { ...site.cluster, namespace: names.namespace },
      database: { ...site.database, name: names.database },
    };
    expect(unfitNames(odd, names)).toMatch(/live/);
    expect(unfitNames({ ...site, database: odd.database }, names)).toMatch(/live/);
    const host = { ...site, drill: { ...site.drill, host: 'acme.presslift.test' } };
    expect(unfitNames(host, { ...names, host: drillHost(host) })).toMatch(/live/);
  });
});

const digest = `${image}@sha256:${'1'.repeat(64)}`;

function made(change: (template: V1PodTemplateSpec) => void = () => undefined) {
  const template = beforeTemplate();
  change(template);
  return drillTemplate({
    site,
    template,
    images: { php: digest, web: digest },
    claims: ['docroot'],
    database: names.database,
    host: names.host,
    labels: copyLabels(site),
  });
}

const container = (template: V1PodTemplateSpec, name: string) =>
  [...(template.spec?.initContainers ?? []), ...(template.spec?.containers ?? [])].find(
    (one) => one.name === name,
  );

describe('the template of the copy', () => {
  test('has its own database, whatever gave the live one', () => {
    const { template } = made(({ spec }) => {
      spec?.containers[0]?.env?.push({ name: 'WORDPRESS_DB_PASSWORD_FILE', value: '/run/secret' });
      spec!.containers[0]!.envFrom = [{ secretRef: { name: 'everything' } }];
    });
    const env = container(template, 'php')?.env ?? [];
    const value = (name: string) => env.filter((one) => one.name === name);
    expect(value('WORDPRESS_DB_NAME')).toEqual([
      { name: 'WORDPRESS_DB_NAME', value: names.database },
    ]);
    for (const name of ['USER', 'PASSWORD']) {
      expect(value(`WORDPRESS_DB_${name}`)).toEqual([
        {
          name: `WORDPRESS_DB_${name}`,
          valueFrom: {
            secretKeyRef: { name: sealSecret, key: name === 'USER' ? 'username' : 'password' },
          },
        },
      ]);
    }
    expect(value('WORDPRESS_DB_PASSWORD_FILE')).toEqual([]);
    expect(value('PHP_INI_SCAN_DIR')).toEqual([
      { name: 'PHP_INI_SCAN_DIR', value: ':/presslift/drill' },
    ]);
  });

  test('every container that reads the content or settings of WordPress is sealed off', () => {
    const { template } = made(({ spec }) => {
      spec?.containers.push({
        name: 'cron',
        image,
        env: [{ name: 'WORDPRESS_DB_HOST', value: 'x' }],
      });
      spec?.containers.push({ name: 'exporter', image: 'exporter' });
    });
    const sealed = template.spec?.containers
      .filter(({ volumeMounts }) => volumeMounts?.some(({ name }) => name === sealSecret))
      .map(({ name }) => name);
    expect(sealed).toEqual(['php', 'web', 'cron']);
  });

  test('runs the images of the point, and asks the registry for them', () => {
    const { template, images } = made();
    expect(container(template, 'php')).toMatchObject({ image: digest, imagePullPolicy: 'Always' });
    expect(images).toEqual([digest, digest]);
  });

  test('a probe that names the live host names the copy instead', () => {
    const { template } = made(({ spec }) => {
      spec!.containers[1]!.readinessProbe!.httpGet!.httpHeaders = [
        { name: 'Host', value: 'acme.presslift.test' },
        { name: 'X-Forwarded-Proto', value: 'https' },
      ];
    });
    expect(container(template, 'web')?.readinessProbe?.httpGet?.httpHeaders).toEqual([
      { name: 'Host', value: names.host },
      { name: 'X-Forwarded-Proto', value: 'https' },
    ]);
  });

  test('mounts nothing that the live site writes to', () => {
    const { template, emptied } = made(({ spec }) => {
      spec?.volumes?.push(
        { name: 'share', nfs: { server: 'nfs.example', path: '/' } },
        { name: 'folder', hostPath: { path: '/srv/acme' } },
        { name: 'other', persistentVolumeClaim: { claimName: 'not-in-the-point' } },
      );
    });
    expect(emptied).toEqual(['share', 'folder', 'other']);
    const volume = (name: string) => template.spec?.volumes?.find((one) => one.name === name);
    for (const name of emptied) expect(volume(name)).toEqual({ name, emptyDir: {} });
    expect(volume('docroot')?.persistentVolumeClaim?.claimName).toBe('docroot');
  });

  test('is bound to nothing of the live site', () => {
    const { template } = made(({ metadata, spec }) => {
      metadata!.labels = { app: 'wordpress', 'presslift.dev/track': 'hybrid' };
      spec!.serviceAccountName = 'wordpress';
      spec!.hostNetwork = true;
      spec!.priorityClassName = 'high';
      spec!.affinity = {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchLabels: { app: 'wordpress' } },
            },
          ],
        },
      };
      spec!.containers[0]!.lifecycle = { preStop: { sleep: { seconds: 8 } } };
    });
    expect(template.metadata?.labels).toEqual(copyLabels(site));
    const { serviceAccountName, hostNetwork, priorityClassName, affinity } = template.spec!;
    expect([serviceAccountName, hostNetwork, priorityClassName, affinity]).toEqual(
      Array.from({ length: 4 }, () => undefined),
    );
    expect(template.spec?.automountServiceAccountToken).toBe(false);
    expect(container(template, 'php')?.lifecycle).toBeUndefined();
  });

  test('tells which ConfigMaps and Secrets it reads', () => {
    const { references } = made(({ spec }) => {
      spec!.imagePullSecrets = [{ name: 'registry' }];
      spec!.volumes?.push({
        name: 'all',
        projected: {
          sources: [{ configMap: { name: 'projected' } }, { secret: { name: 'hidden' } }],
        },
      });
    });
    expect(references).toEqual({
      configMaps: ['projected', 'wordpress-extra'],
      // Its password is the copy's own, so the live one is not copied.
      secrets: ['database-ca', 'hidden', 'registry'],
    });
  });

  test('leaves the template that it was given alone', () => {
    const template = beforeTemplate();
    drillTemplate({
      site,
      template,
      images: {},
      claims: [],
      database: names.database,
      host: names.host,
      labels: {},
    });
    expect(template).toEqual(beforeTemplate());
  });
});

describe('objects', () => {
  test('the namespace says whose it is, and asks of pods what the live one asks', () => {
    const { metadata } = drillNamespace(site, {
      name: names.namespace,
      drill: 'a-drill',
      operationId: 'acme/drill/1',
      liveLabels: { 'pod-security.kubernetes.io/enforce': 'baseline', team: 'shop' },
    });
    expect(metadata?.labels).toEqual({
      'pod-security.kubernetes.io/enforce': 'baseline',
      'app.kubernetes.io/managed-by': 'presslift',
      'presslift.dev/site': 'acme',
      'presslift.dev/role': 'drill',
    });
    expect(metadata?.annotations).toEqual({
      'presslift.dev/drill': 'a-drill',
      'presslift.dev/operation-id': 'acme/drill/1',
    });
  });

  test('the worker is bound as whom it is', () => {
    const of = (name: string) => workerBinding(site, 'x', name).subjects?.[0];
    expect(of('system:serviceaccount:presslift:presslift-worker')).toEqual({
      kind: 'ServiceAccount',
      namespace: 'presslift',
      name: 'presslift-worker',
    });
    expect(of('alice')).toMatchObject({ kind: 'User', name: 'alice' });
  });

  test('WordPress of the copy reaches names and its database, and is reached by Jobs alone', () => {
    const [pods, jobs] = drillNetworkPolicies(site, 'x');
    expect(pods?.spec?.policyTypes).toEqual(['Ingress', 'Egress']);
    const ports = pods?.spec?.egress?.flatMap((rule) => rule.ports ?? []);
    expect(ports).toEqual([
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 53 },
      { protocol: 'TCP', port: 13306 },
    ]);
    expect(pods?.spec?.ingress).toHaveLength(1);
    expect(jobs?.spec).toEqual({
      podSelector: { matchLabels: { 'presslift.dev/role': 'job' } },
      policyTypes: ['Ingress'],
    });
  });

  test('the seal names the copy alone', () => {
    const { stringData } = sealObject(site, {
      namespace: 'x',
      database: names.database,
      host: names.host,
      password: 'drawn',
      seal: names.database,
      program: '<?php',
    });
    expect(JSON.parse(stringData?.['seal.json'] ?? '')).toEqual({
      host: 'acme.drill.invalid',
      seal: names.database,
      database: {
        name: names.database,
        user: names.database,
        password: 'drawn',
        host: 'db.presslift.test:13306',
      },
    });
    expect(stringData?.['zz-presslift-drill.ini']).toContain(
      'auto_prepend_file = /presslift/drill/seal.php',
    );
  });

  test('a claim is like the one that was backed up; a class that is not known is left to the cluster', () => {
    const volume = {
      claim: 'wp-content',
      subPath: '',
      provides: ['wp-content/plugins'],
      storageClass: null,
      accessModes: ['ReadWriteMany'],
      size: '5Gi',
    };
    const place = { storageClass: 'block', accessModes: ['ReadWriteOnce'] };
    expect(drillClaim(site, 'x', volume, place).spec).toEqual({
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '5Gi' } },
      storageClassName: 'block',
    });
  });

  test('the copy is one pod, selected by no label of the live site', () => {
    const { spec } = drillDeployment(site, 'x', made().template);
    expect(spec).toMatchObject({
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: { 'presslift.dev/role': 'presslift-drill-site' } },
    });
  });
});
