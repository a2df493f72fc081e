import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/domain/json.ts';
import {
  CORS_RULE_ID,
  corsAllows,
  desiredBucketConfiguration,
  freshBucketConfiguration,
  policyAllowsListing,
  siteCorsRule,
  storageAddress,
  storageProviders,
  withoutPublicListing,
  type StorageProvider,
} from '../../../src/domain/storage-providers.ts';

const objects = { bucket: 'b-1', region: 'nyc3', credentials: 'env:X' };

describe('where a provider is reached', () => {
  it.each([
    ['spaces', undefined, 'https://nyc3.digitaloceanspaces.com', 'nyc3'],
    ['s3', undefined, 'https://s3.nyc3.amazonaws.com', 'nyc3'],
    ['r2', 'https://account.r2.example.com/', 'https://account.r2.example.com', 'auto'],
    ['spaces', 'https://s3.test:17070', 'https://s3.test:17070', 'nyc3'],
  ] as const)('%s with endpoint %s', (provider, endpoint, expected, region) => {
    expect(storageAddress({ ...objects, provider, endpoint })).toMatchObject({
      endpoint: expected,
      region,
    });
  });

  it('needs an endpoint where the account decides it', () => {
    expect(storageAddress({ ...objects, provider: 'r2' })).toBeNull();
  });
});

describe('the configuration that a bucket should have', () => {
  it.each(Object.keys(storageProviders) as StorageProvider[])('is stable for %s', (provider) => {
    const wanted = desiredBucketConfiguration(
      provider,
      ['a.test'],
      freshBucketConfiguration(provider),
    );
    expect(desiredBucketConfiguration(provider, ['a.test'], wanted)).toEqual(wanted);
    const traits = storageProviders[provider];
    expect(wanted.versioning).toBe(traits.versioning ? 'Enabled' : null);
    expect(wanted.publicAccessBlock).toBe(traits.publicAccessBlock ? true : null);
  });

  it("keeps other people's CORS rules and replaces our own", () => {
    const theirs = { ...siteCorsRule(['other.test']), id: 'theirs' };
    const old = siteCorsRule(['old.test']);
    const wanted = desiredBucketConfiguration('spaces', ['new.test'], {
      ...freshBucketConfiguration('spaces'),
      cors: [old, theirs],
    });
    expect(wanted.cors).toEqual([theirs, siteCorsRule(['new.test'])]);
    expect(wanted.cors?.filter(({ id }) => id === CORS_RULE_ID).length).toBe(1);
  });

  it('adds no rule where one allows the hosts already', () => {
    const open = { ...siteCorsRule([]), id: null, origins: ['*'] };
    expect(corsAllows([open], ['a.test'])).toBe(true);
    expect(corsAllows([{ ...open, methods: ['PUT'] }], ['a.test'])).toBe(false);
    expect(corsAllows([siteCorsRule(['a.test'])], ['a.test', 'b.test'])).toBe(false);
  });
});

describe('bucket policies', () => {
  const statement = (change: JsonObject): JsonObject => ({
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:ListBucket',
    Resource: 'arn:aws:s3:::b',
    ...change,
  });
  it.each([
    ['everybody lists', statement({}), true],
    ['everybody may do all', statement({ Action: 's3:*' }), true],
    ['everybody by the long form', statement({ Principal: { AWS: ['*'] } }), true],
    ['one of many actions', statement({ Action: ['s3:GetObject', 's3:ListBucketVersions'] }), true],
    ['everybody reads objects', statement({ Action: 's3:GetObject' }), false],
    ['an account lists', statement({ Principal: { AWS: 'arn:aws:iam::1:root' } }), false],
    ['a denial', statement({ Effect: 'Deny' }), false],
  ] as const)('%s', (_name, entry, expected) => {
    expect(policyAllowsListing({ Version: '2012-10-17', Statement: [entry] })).toBe(expected);
  });

  it('lose only what lets everybody list', () => {
    const kept = statement({ Action: 's3:GetObject' });
    const policy = { Version: '2012-10-17', Statement: [statement({}), kept] };
    expect(withoutPublicListing(policy)).toEqual({ Version: '2012-10-17', Statement: [kept] });
    expect(withoutPublicListing({ Version: '2012-10-17', Statement: statement({}) })).toBeNull();
  });
});
