import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import {
  concealed,
  createSecretResolver,
  Secret,
  vaultOptionsFromEnvironment,
} from '../../../src/activities/secrets/index.ts';
import { parseSecretReference, vaultDataPath } from '../../../src/activities/secrets/reference.ts';
import { MemoryCluster } from '../../support/phase0.ts';

const cluster = new MemoryCluster().put({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'acme', name: 'database' },
  data: {
    username: Buffer.from('wp').toString('base64'),
    password: Buffer.from('planted-value').toString('base64'),
  },
} as never);

const resolver = createSecretResolver({
  kubernetes: cluster,
  vault: {
    read: async (path) => (path === 'secret/acme/db' ? { password: 'planted-value' } : null),
  },
  env: {
    PLAIN: 'planted-value',
    OBJECT: '{"username":"wp","password":"planted-value"}',
    BROKEN: '{"planted-value',
    EMPTY: '',
  },
});

const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => ({ type: 'no failure', message: '' }),
    (error: unknown) => ({ type: failureTypeOf(error), message: (error as Error).message }),
  );

describe('a secret reference', () => {
  it.each([
    ['kubernetes:acme/database#password', undefined, 'planted-value'],
    ['kubernetes:acme/database#password', 'username', 'planted-value'],
    ['kubernetes:acme/database', 'username', 'wp'],
    ['vault:secret/acme/db#password', undefined, 'planted-value'],
    ['vault:secret/acme/db', undefined, 'planted-value'],
    ['env:PLAIN', undefined, 'planted-value'],
    ['env:OBJECT', 'password', 'planted-value'],
    ['env:BROKEN', undefined, '{"planted-value'],
  ])('%s with key %s', async (reference, key, expected) => {
    expect(await resolver.resolve(reference, key)).toBe(expected);
  });

  it.each([
    ['kubernetes:acme/database', undefined],
    ['kubernetes:acme/database', 'token'],
    ['kubernetes:acme/database#token', undefined],
    ['kubernetes:acme/nothing', 'password'],
    ['vault:secret/acme/other', 'password'],
    ['env:NOT_SET', undefined],
    ['env:EMPTY', undefined],
    ['env:PLAIN', 'password'],
    ['env:OBJECT', undefined],
  ])('%s with key %s is missing, and says which, not what', async (reference, key) => {
    const { type, message } = await failing(resolver.resolve(reference, key));
    expect(type).toBe('SecretMissing');
    expect(message).toContain(reference);
    expect(message).not.toContain('planted-value');
  });

  it('without Kubernetes or Vault is missing too', async () => {
    const bare = createSecretResolver({ env: {} });
    expect((await failing(bare.resolve('kubernetes:a/b', 'c'))).type).toBe('SecretMissing');
    expect((await failing(bare.resolve('vault:a/b', 'c'))).type).toBe('SecretMissing');
  });

  it('that is none is not repeated, for it may be the value', async () => {
    const { type, message } = await failing(resolver.resolve('planted-value'));
    expect(type).toBe('InvalidInput');
    expect(message).not.toContain('planted-value');
  });

  it('is taken apart', () => {
    expect(parseSecretReference('kubernetes:acme/database-ca#ca.crt')).toEqual({
      ...{ store: 'kubernetes', namespace: 'acme', name: 'database-ca', key: 'ca.crt' },
    });
    expect(parseSecretReference('vault:/secret/a/b/#k')).toEqual({
      ...{ store: 'vault', path: 'secret/a/b', key: 'k' },
    });
  });

  it.each([
    ['secret/acme/db', '/v1/secret/data/acme/db'],
    ['secret/data/acme/db', '/v1/secret/data/acme/db'],
    ['kv/data', '/v1/kv/data/data'],
    ['kv/x', '/v1/kv/data/x'],
  ])('%s is read at %s', (path, expected) => {
    expect(vaultDataPath(path)).toBe(expected);
  });
});

describe('a secret value', () => {
  it('shows in no text but its own', async () => {
    const secret = await resolver.secret('env:PLAIN');
    const all = await resolver.resolveAll('env:OBJECT');
    const shown = [
      JSON.stringify({ secret, all }),
      inspect({ secret, all }, { depth: 5, showHidden: true }),
      String(secret),
      inspect(concealed({ a: 'planted-value' })),
    ].join();
    expect(shown).not.toContain('planted-value');
    expect(secret.reveal()).toBe('planted-value');
    expect(all.password).toBe('planted-value');
    expect(new Secret('x').toJSON()).toBe('[secret]');
  });
});

it('Vault is used where VAULT_ADDR says so', () => {
  expect(vaultOptionsFromEnvironment({})).toBeNull();
  expect(vaultOptionsFromEnvironment({ VAULT_ADDR: 'https://v', VAULT_TOKEN: 't' })).toEqual({
    ...{ address: 'https://v', token: 't', namespace: undefined },
  });
});
