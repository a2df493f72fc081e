// Proves that no value that could be a secret reaches a plan, by planting values everywhere a template can hold one.
import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { REDACTED, redactTemplate } from '../../../src/domain/kubernetes/redact.ts';

const planted = 'PLANTED-hunter2';

function templateWith(part: object): V1PodTemplateSpec {
  return { spec: { containers: [{ name: 'php', ...part }] } };
}

describe('redaction of templates', () => {
  it.each([
    ['a password variable', { env: [{ name: 'WORDPRESS_DB_PASSWORD', value: planted }] }],
    ['a variable of any other name', { env: [{ name: 'FOO', value: planted }] }],
    ['a short numeric password', { env: [{ name: 'ADMIN_PASS', value: '12345' }] }, '12345'],
    ['a command', { command: ['sh', '-c', `export TOKEN=${planted}`] }],
    ['an argument after an option', { args: ['--db-password', planted] }],
    [
      'a header of a probe',
      {
        readinessProbe: {
          httpGet: { port: 80, httpHeaders: [{ name: 'X-Probe', value: planted }] },
        },
      },
    ],
    [
      'a command of a probe',
      { livenessProbe: { exec: { command: ['mysql', `--password=${planted}`] } } },
    ],
    [
      'a command of a hook',
      { lifecycle: { preStop: { exec: { command: ['x', `secret=${planted}`] } } } },
    ],
  ])('hides %s', (_name, part, value = planted) => {
    expect(JSON.stringify(redactTemplate(templateWith(part)))).not.toContain(value);
    expect(JSON.stringify(redactTemplate(templateWith(part)))).toContain(REDACTED);
  });

  it('hides variables of init containers and secret-looking annotations', () => {
    const redacted = redactTemplate({
      metadata: { annotations: { 'example.com/token': planted, 'example.com/note': 'hello' } },
      spec: {
        containers: [],
        initContainers: [{ name: 'x', env: [{ name: 'A', value: planted }] }],
      },
    });
    expect(JSON.stringify(redacted)).not.toContain(planted);
    expect(redacted.metadata?.annotations?.['example.com/note']).toBe('hello');
  });

  it('shows what a person must see: names of Secrets, settings known to be harmless', () => {
    const env = [
      { name: 'WORDPRESS_DB_HOST', value: 'db.example.com' },
      { name: 'WORDPRESS_DEBUG', value: '1' },
      { name: 'ENABLE_X', value: 'true' },
      {
        name: 'WORDPRESS_DB_PASSWORD',
        valueFrom: { secretKeyRef: { name: 'db', key: 'password' } },
      },
    ];
    expect(redactTemplate(templateWith({ env })).spec?.containers[0]?.env).toEqual(env);
  });
});
