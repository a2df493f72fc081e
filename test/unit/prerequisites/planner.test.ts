import { describe, expect, it } from 'vitest';
import {
  databaseCriteria,
  hostnameCriteria,
  objectStorageCriteria,
} from '../../../src/domain/planners/prerequisites-criteria.ts';
import {
  alignHostnames,
  daysUntil,
  nameCovers,
} from '../../../src/domain/planners/prerequisites-hostnames.ts';
import { planPrerequisites } from '../../../src/domain/planners/prerequisites.ts';
import type { PrerequisiteFacts } from '../../../src/domain/prerequisite-facts.ts';
import type { Site } from '../../../src/domain/site/schema.ts';
import {
  desiredBucketConfiguration,
  freshBucketConfiguration,
} from '../../../src/domain/storage-providers.ts';
import { completeFacts } from '../../support/phase0-facts.ts';
import { testSite } from '../../support/phase0.ts';

const site = testSite();

const planned = (facts: PrerequisiteFacts, of: Site = site) => {
  const plan = planPrerequisites({ site: of, siteDigest: 'sha256:0', facts });
  return {
    changes: plan.changes.map(({ id }) => id),
    findings: plan.findings.map(({ id, level }) => `${level} ${id}`),
    plan,
  };
};

describe('the plan of phase 0', () => {
  const cases: [string, (facts: PrerequisiteFacts) => void, string[], string[]][] = [
    ['nothing is missing', () => undefined, [], []],
    [
      'no bucket, no keys',
      ({ objectStorage }) => {
        objectStorage.state = { ok: true, value: 'absent' };
        objectStorage.configuration = null;
        objectStorage.keys = {
          ...objectStorage.keys,
          ...{ present: false, accessKeyId: null, why: 'none', use: [], isolation: [] },
        };
      },
      ['create-bucket', 'configure-bucket', 'create-bucket-keys'],
      [],
    ],
    [
      'a bucket as the provider makes it',
      ({ objectStorage }) => {
        objectStorage.configuration = { ok: true, value: freshBucketConfiguration('spaces') };
      },
      ['configure-bucket'],
      [],
    ],
    [
      "somebody else's bucket",
      ({ objectStorage }) => {
        objectStorage.state = { ok: true, value: 'forbidden' };
        objectStorage.configuration = null;
      },
      [],
      ['error bucket-forbidden'],
    ],
    [
      'object storage does not answer',
      ({ objectStorage }) => {
        objectStorage.state = { ok: false, type: 'Unavailable', message: 'no answer' };
        objectStorage.configuration = null;
      },
      [],
      ['error bucket-unknown'],
    ],
    [
      'keys that reach another bucket',
      ({ objectStorage }) => {
        objectStorage.keys.isolation = [{ action: 'list bucket other', ok: false, seen: '' }];
      },
      [],
      ['error bucket-keys-too-wide'],
    ],
    [
      'keys that do not work',
      ({ objectStorage }) => {
        objectStorage.keys.use = [{ action: 'put', ok: false, seen: 'AccessDenied (403)' }];
      },
      [],
      ['error bucket-keys-unusable'],
    ],
    [
      'a database out of reach says nothing more about itself',
      ({ database }) => {
        database.connection = { ok: false, type: 'Unavailable', message: 'ECONNREFUSED' };
        database.wrongCa = { refused: null, seen: 'not tried' };
      },
      [],
      ['error database-unreachable'],
    ],
    [
      'plain and a wrong CA accepted',
      ({ database }) => {
        database.plain = { refused: false, seen: 'logged in' };
        database.wrongCa = { refused: false, seen: 'the connection was made' };
      },
      [],
      ['error database-wrong-ca-accepted', 'error database-plain-accepted'],
    ],
    [
      'refusals that could not be tried',
      ({ database }) => {
        database.plain = { refused: null, seen: 'ETIMEDOUT' };
      },
      [],
      ['error database-plain-unproved'],
    ],
    [
      'a cluster that is being resized, another host, an unknown account',
      ({ database }) => {
        if (!database.managed?.ok) return;
        Object.assign(database.managed.value, {
          ...{ status: 'resizing', hosts: ['db.example.com'], accountKnown: false },
        });
      },
      [],
      [
        'error managed-database-not-online',
        'warning managed-database-other-host',
        'warning managed-database-unknown-account',
      ],
    ],
    [
      'no database, too few privileges, no MD5',
      ({ database }) => {
        if (!database.connection.ok) return;
        database.connection.value.exists = false;
        database.connection.value.server.hasMd5 = false;
        Object.assign(database.connection.value.privileges, {
          ...{ sufficient: false, missing: ['ALTER'] },
        });
      },
      [],
      [
        'error database-missing',
        'error database-privileges-missing',
        'warning database-md5-missing',
      ],
    ],
    [
      'another host in ingress and certificate',
      ({ hostnames }) => {
        if (hostnames.routes.ok) {
          const [route] = hostnames.routes.value;
          if (route) Object.assign(route, { hosts: ['old.test'], tls: [] });
        }
        if (hostnames.certificates.ok) {
          const [certificate] = hostnames.certificates.value ?? [];
          if (certificate) certificate.dnsNames = ['old.test'];
        }
      },
      [],
      ['error hostnames-unrouted', 'error certificate-hosts'],
    ],
    [
      'ingress-nginx, with everything else well',
      ({ hostnames }) => {
        hostnames.ingressClasses = {
          ok: true,
          value: [{ name: 'traefik', controller: 'k8s.io/ingress-nginx' }],
        };
      },
      [],
      ['warning ingress-nginx-retired'],
    ],
    [
      'a certificate of 21 days, served too',
      ({ hostnames }) => {
        if (hostnames.certificates.ok) {
          const [certificate] = hostnames.certificates.value ?? [];
          if (certificate) certificate.notAfter = '2026-12-14T00:00:00.000Z';
        }
        const [served] = hostnames.served;
        if (served) served.daysLeft = 21;
      },
      [],
      ['error certificate-weak', 'error certificate-served'],
    ],
    [
      'no issuer of the plan',
      ({ hostnames }) => {
        hostnames.issuers = { ok: true, value: [] };
      },
      [],
      ['error issuer-not-ready'],
    ],
    [
      'no cert-manager',
      ({ hostnames }) => {
        hostnames.certificates = { ok: true, value: null };
      },
      [],
      ['error cert-manager-missing'],
    ],
    [
      'no address in DNS',
      ({ hostnames }) => {
        hostnames.addresses = [{ host: 'acme.test', addresses: [], error: 'ENOTFOUND' }];
      },
      [],
      ['error hostnames-unresolved'],
    ],
    [
      'rights missing in the cluster',
      ({ hostnames }) => {
        hostnames.routes = { ok: false, type: 'Forbidden', message: 'may not list' };
      },
      [],
      ['error routes-unknown'],
    ],
  ];
  it.each(cases)('%s', (_name, change, changes, findings) => {
    const facts = completeFacts();
    change(facts);
    const found = planned(facts);
    expect(found.changes).toEqual(changes);
    expect(found.findings).toEqual(findings);
  });

  it('asks an operator for keys where the provider has no API', () => {
    const r2 = testSite((file) => {
      file.storage.objects.provider = 'r2';
      file.storage.objects.endpoint = 'https://account.r2.example.com';
    });
    const facts = completeFacts();
    facts.objectStorage.keys = {
      ...{ present: false, accessKeyId: null, why: 'empty', use: [], isolation: [], issued: null },
    };
    facts.objectStorage.configuration = {
      ok: true,
      value: desiredBucketConfiguration('r2', ['acme.test'], freshBucketConfiguration('r2')),
    };
    expect(planned(facts, r2)).toMatchObject({
      changes: [],
      findings: ['warning bucket-no-versioning', 'error bucket-keys-missing'],
    });
  });

  it('observes the same where only load and dates differ', () => {
    const later = completeFacts();
    later.today = '2026-11-30';
    if (later.database.connection.ok) later.database.connection.value.server.maxConnections = 500;
    expect(planned(later).plan.observations).toEqual(planned(completeFacts()).plan.observations);
  });

  it('observes a difference in what it relies on', () => {
    const other = completeFacts();
    other.objectStorage.keys.accessKeyId = 'DO11';
    const keys = planned(other).plan.observations.map(({ digest }) => digest);
    const before = planned(completeFacts()).plan.observations.map(({ digest }) => digest);
    expect(keys.map((digest, index) => digest === before[index])).toEqual([
      true,
      true,
      false,
      true,
    ]);
  });
});

describe('criteria', () => {
  const all = (facts: PrerequisiteFacts) => [
    ...databaseCriteria(facts.database),
    ...objectStorageCriteria(site, facts.objectStorage),
    ...hostnameCriteria(site, facts.hostnames, facts.today),
  ];
  const failing = (facts: PrerequisiteFacts) =>
    all(facts)
      .filter(({ pass }) => !pass)
      .map(({ id }) => id);

  it('pass for a complete site, each with evidence', () => {
    expect(failing(completeFacts())).toEqual([]);
    expect(all(completeFacts()).filter(({ evidence }) => evidence === null)).toEqual([]);
    expect(new Set(all(completeFacts()).map(({ id }) => id)).size).toBe(14);
  });

  it('fail without data', () => {
    const facts = completeFacts();
    const none = { ok: false, type: 'Unavailable', message: 'no answer' } as const;
    facts.database = {
      ...facts.database,
      ...{ managed: none, connection: none },
      ...{ wrongCa: { refused: null, seen: '' }, plain: { refused: null, seen: '' } },
    };
    facts.objectStorage = {
      ...facts.objectStorage,
      ...{ state: none, configuration: null, publicListing: null },
      keys: { ...facts.objectStorage.keys, use: [], isolation: [] },
    };
    facts.hostnames = {
      ...facts.hostnames,
      ...{ addresses: [], served: [], routes: none, certificates: none, issuers: none },
    };
    const expected = all(completeFacts()).map(({ id }) => id);
    expect(failing(facts)).toEqual(expected);
  });

  it.each([
    ['an attempt that could not be made', { ok: null }],
    ['an attempt that was allowed', { ok: false }],
  ])('isolation fails with %s', (_name, change) => {
    const facts = completeFacts();
    facts.objectStorage.keys.isolation.push({ action: 'list', seen: '', ...change });
    expect(failing(facts)).toEqual(['bucket-keys-isolated']);
  });
});

describe('host names', () => {
  it.each([
    ['acme.test', 'acme.test', true],
    ['*.acme.test', 'www.acme.test', true],
    ['*.acme.test', 'acme.test', false],
    ['*.acme.test', 'a.b.acme.test', false],
    ['ACME.test', 'acme.TEST', true],
    ['*', 'acme.test', true],
    ['*.acme.test', '*.acme.test', true],
  ])('%s covers %s: %s', (name, host, expected) => {
    expect(nameCovers(name, host)).toBe(expected);
  });

  it('counts whole days', () => {
    expect(daysUntil(new Date('2026-12-14T23:00:00Z'), new Date('2026-11-23'))).toBe(21);
  });

  it('warns of an Ingress of another class', () => {
    const facts = completeFacts().hostnames;
    if (facts.routes.ok && facts.routes.value[0]) facts.routes.value[0].via = 'other';
    expect(alignHostnames(site, facts, '2026-11-23').otherClass).toEqual(['wordpress']);
  });
});
