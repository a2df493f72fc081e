// Proves what the pod template of phase 1 holds, for the layouts that are met. That such pods run and lose no request is
// proved by the end-to-end tests.
import type { V1Container, V1PodTemplateSpec } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import {
  hybridPodTemplate,
  type HybridTemplateOptions,
} from '../../../src/domain/kubernetes/pod-template.ts';
import { acme, beforeTemplate, image } from '../../support/hybrid-fixtures.ts';

const options: HybridTemplateOptions = {
  servicePort: 8080,
  selector: { app: 'wordpress' },
  chown: true,
  saltsFromSecret: true,
  fpmPort: 9000,
  sameNode: true,
  keptPaths: [],
};

function after(
  change: (template: V1PodTemplateSpec) => void = () => undefined,
  changed: Partial<HybridTemplateOptions> = {},
): V1PodTemplateSpec {
  const before = beforeTemplate();
  change(before);
  return hybridPodTemplate(before, acme(), { ...options, ...changed });
}

function container(template: V1PodTemplateSpec, name: string): V1Container {
  const all = [...(template.spec?.initContainers ?? []), ...(template.spec?.containers ?? [])];
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

const mountsOf = (one: V1Container) =>
  Object.fromEntries(
    (one.volumeMounts ?? []).map((m) => [m.mountPath, `${m.name}:${m.subPath ?? ''}`]),
  );

describe('the pod template of phase 1', () => {
  it('takes core from the image, plugins and themes from the shared claim, uploads from the old one', () => {
    const template = after();
    for (const name of ['php', 'web']) {
      expect(mountsOf(container(template, name))).toMatchObject({
        '/var/www/html/wp-content/plugins': 'presslift-shared:plugins',
        '/var/www/html/wp-content/themes': 'presslift-shared:themes',
        '/var/www/html/wp-content/upgrade': 'presslift-shared:upgrade',
        '/var/www/html/wp-content/upgrade-temp-backup': 'presslift-shared:upgrade-temp-backup',
        '/var/www/html/wp-content/uploads': 'docroot:wp-content/uploads',
      });
      expect(mountsOf(container(template, name))).not.toHaveProperty('/var/www/html');
      expect(container(template, name).image).toBe(image);
    }
    expect(mountsOf(container(template, 'php'))).toHaveProperty('/etc/db-ca', 'ca:');
    expect(template.spec?.volumes).toContainEqual({
      name: 'presslift-shared',
      persistentVolumeClaim: { claimName: 'wp-content' },
    });
    expect(template.metadata?.labels).toEqual({
      app: 'wordpress',
      'presslift.dev/track': 'hybrid',
    });
  });

  it('runs PHP as native sidecar behind the web server, and waits until it listens', () => {
    const template = after();
    expect(template.spec?.containers.map(({ name }) => name)).toEqual(['web']);
    expect(template.spec?.initContainers?.map(({ name }) => name)).toEqual([
      'presslift-permissions',
      'php',
    ]);
    const php = container(template, 'php');
    expect(php.restartPolicy).toBe('Always');
    expect(php.startupProbe?.exec?.command?.join(' ')).toContain('9000');
  });

  it('lets no request fail while a pod starts or ends', () => {
    const web = container(after(), 'web');
    expect(web.lifecycle?.preStop).toEqual({ sleep: { seconds: 8 } });
    expect(web.readinessProbe).toMatchObject({
      httpGet: { path: '/wp-login.php' },
      timeoutSeconds: 5,
      failureThreshold: 3,
      periodSeconds: 10,
    });
    expect(web.startupProbe).toMatchObject({ timeoutSeconds: 10, failureThreshold: 60 });
    expect(after().spec?.terminationGracePeriodSeconds).toBe(60);
  });

  it('raises time-outs and never lowers them', () => {
    const template = after((before) => {
      const web = before.spec?.containers[1] as V1Container;
      web.readinessProbe = {
        httpGet: { path: '/', port: 8080 },
        timeoutSeconds: 30,
        failureThreshold: 9,
      };
      web.livenessProbe = { httpGet: { path: '/', port: 8080 }, timeoutSeconds: 1 };
      web.lifecycle = { preStop: { sleep: { seconds: 20 } } };
      if (before.spec) before.spec.terminationGracePeriodSeconds = 120;
    });
    const web = container(template, 'web');
    expect(web.readinessProbe).toMatchObject({ timeoutSeconds: 30, failureThreshold: 9 });
    expect(web.livenessProbe).toMatchObject({ timeoutSeconds: 10 });
    expect(web.lifecycle?.preStop).toEqual({ sleep: { seconds: 20 } });
    expect(template.spec?.terminationGracePeriodSeconds).toBe(120);
  });

  it('takes salts from the Secret and the configuration from the ConfigMap, each once', () => {
    const php = container(after(), 'php');
    expect(php.envFrom).toEqual([{ secretRef: { name: 'wordpress-salts' } }]);
    expect(php.env?.filter(({ name }) => name === 'WORDPRESS_CONFIG_EXTRA')).toEqual([
      {
        name: 'WORDPRESS_CONFIG_EXTRA',
        valueFrom: { configMapKeyRef: { name: 'wordpress-wp-config', key: 'extra' } },
      },
    ]);
    expect(container(after(undefined, { saltsFromSecret: false }), 'php').envFrom).toBeUndefined();
  });

  it('gives the shared folders to www-data only where root may do that', () => {
    const permissions = container(after(), 'presslift-permissions');
    expect(permissions.securityContext?.runAsUser).toBe(0);
    expect(permissions.env).toContainEqual({ name: 'PRESSLIFT_USER', value: '33' });
    const squashed = container(after(undefined, { chown: false }), 'presslift-permissions');
    expect(squashed.securityContext).toBeUndefined();
    expect(squashed.env).toContainEqual({ name: 'PRESSLIFT_CHOWN', value: 'no' });
  });

  it('keeps all pods on one node while uploads are on a volume of one node', () => {
    const required = (template: V1PodTemplateSpec) =>
      template.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    expect(required(after())).toEqual([
      {
        labelSelector: { matchLabels: { app: 'wordpress' } },
        topologyKey: 'kubernetes.io/hostname',
      },
    ]);
    expect(required(after(undefined, { sameNode: false }))).toBeUndefined();
  });

  it('mounts further entries of the old document root from where they are', () => {
    const template = after(undefined, { keptPaths: ['wp-content/mu-plugins', 'robots.txt'] });
    expect(mountsOf(container(template, 'web'))).toMatchObject({
      '/var/www/html/wp-content/mu-plugins': 'docroot:wp-content/mu-plugins',
      '/var/www/html/robots.txt': 'docroot:robots.txt',
    });
  });

  it('shares core over an empty volume when the web server has an image of its own', () => {
    const template = after((before) => {
      (before.spec?.containers[1] as V1Container).image = 'nginx:1.29';
    });
    expect(template.spec?.volumes).toContainEqual({ name: 'core', emptyDir: {} });
    expect(mountsOf(container(template, 'web'))).toHaveProperty('/var/www/html', 'core:');
    expect(mountsOf(container(template, 'php'))).toHaveProperty('/var/www/html', 'core:');
    expect(container(template, 'web').image).toBe('nginx:1.29');
  });

  it('keeps a read-only mount read-only', () => {
    const template = after((before) => {
      const mount = before.spec?.containers[1]?.volumeMounts?.[0];
      if (mount) mount.readOnly = true;
    });
    expect(container(template, 'web').volumeMounts?.every(({ readOnly }) => readOnly)).toBe(true);
    expect(container(template, 'php').volumeMounts?.some(({ readOnly }) => readOnly)).toBe(false);
  });

  it('leaves one container that does both as it is, without a sidecar', () => {
    const template = after(
      (before) => {
        const [php] = before.spec?.containers ?? [];
        if (php === undefined || before.spec === undefined) throw new Error('fixture');
        php.ports = [{ containerPort: 80 }];
        before.spec.containers = [php];
      },
      { servicePort: 80, fpmPort: null },
    );
    expect(template.spec?.containers.map(({ name }) => name)).toEqual(['php']);
    expect(container(template, 'php')).toMatchObject({
      lifecycle: { preStop: { sleep: { seconds: 8 } } },
      readinessProbe: { httpGet: { path: '/wp-login.php', port: 80 } },
    });
    expect(container(template, 'php').restartPolicy).toBeUndefined();
  });

  it('finds the document root in a folder of the claim', () => {
    const template = after((before) => {
      for (const one of before.spec?.containers ?? []) {
        const mount = one.volumeMounts?.find(({ name }) => name === 'docroot');
        if (mount) mount.subPath = 'html';
      }
    });
    expect(mountsOf(container(template, 'php'))).toHaveProperty(
      '/var/www/html/wp-content/uploads',
      'docroot:html/wp-content/uploads',
    );
  });

  it('changes nothing when it is applied to its own result', () => {
    const once = after();
    expect(hybridPodTemplate(once, acme(), options)).toEqual(once);
  });

  it('does not change the template that it was given', () => {
    const before = beforeTemplate();
    hybridPodTemplate(before, acme(), options);
    expect(before).toEqual(beforeTemplate());
  });

  it.each([
    [
      'no volume at the document root',
      (t: V1PodTemplateSpec) => {
        for (const one of t.spec?.containers ?? []) one.volumeMounts = [];
      },
    ],
    [
      'an empty volume there',
      (t: V1PodTemplateSpec) => {
        if (t.spec) t.spec.volumes = [{ name: 'docroot', emptyDir: {} }];
      },
    ],
    [
      'another volume at wp-content',
      (t: V1PodTemplateSpec) => {
        t.spec?.containers[0]?.volumeMounts?.push({
          name: 'ca',
          mountPath: '/var/www/html/wp-content',
        });
      },
    ],
  ])('refuses %s', (_name, change) => {
    expect(() => after(change)).toThrow(/Unknown layout/);
  });
});
