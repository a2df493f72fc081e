// Proves that a recovery point names every ConfigMap and Secret that pods of the site read, wherever the template says so.
import { describe, expect, it } from 'vitest';
import { configMapsOf, secretsOf } from '../../../src/activities/backup/app.ts';

const template = {
  spec: {
    imagePullSecrets: [{ name: 'registry' }],
    initContainers: [{ name: 'init', envFrom: [{ secretRef: { name: 'salts' } }] }],
    containers: [
      {
        name: 'php',
        env: [
          { name: 'PLAIN', value: 'x' },
          { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'database', key: 'password' } } },
          { name: 'EXTRA', valueFrom: { configMapKeyRef: { name: 'extra', key: 'extra' } } },
        ],
        envFrom: [{ configMapRef: { name: 'settings' } }, { secretRef: { name: 'database' } }],
      },
    ],
    volumes: [
      { name: 'ca', secret: { secretName: 'database-ca' } },
      { name: 'ini', configMap: { name: 'php-ini' } },
      {
        name: 'all',
        projected: {
          sources: [{ secret: { name: 'token' } }, { configMap: { name: 'nginx' } }],
        },
      },
      { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
    ],
  },
};

describe('names in a pod template', () => {
  it('of ConfigMaps', () => {
    expect(configMapsOf(template)).toEqual(['extra', 'nginx', 'php-ini', 'settings']);
  });

  it('of Secrets, each once', () => {
    expect(secretsOf(template)).toEqual(['database', 'database-ca', 'registry', 'salts', 'token']);
  });

  it('of nothing', () => {
    expect([configMapsOf({}), secretsOf({})]).toEqual([[], []]);
  });
});
