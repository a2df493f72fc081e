/**
 * Proves that a site file with errors gives all of them at once, each with its place, what was found and what is allowed;
 * that secrets written by mistake are not repeated; that no input makes it crash. Does not read files: see
 * test/unit/activities/sites.test.ts.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { SiteFileError } from '../../../src/domain/site/issues.ts';
import { siteJsonSchema, type SchemaNode } from '../../../src/domain/site/json-schema.ts';
import { parseSite } from '../../../src/domain/site/parse-site.ts';
import type { SiteFile } from '../../../src/domain/site/schema.ts';
import { secretReferenceAllowed } from '../../../src/domain/site/values.ts';

const acmeText = readFileSync('sites/acme.yaml', 'utf8');
const acme = () => parse(acmeText) as SiteFile;

const noTfvars = () => Promise.reject(new Error('there is no such file'));

function load(content: unknown, readTfvars: (file: string) => Promise<object> = noTfvars) {
  const text = typeof content === 'string' ? content : stringify(content);
  return parseSite(text, {
    fileName: 'sites/acme.yaml',
    readTfvars: (file) => readTfvars(file) as Promise<Record<string, unknown>>,
  });
}

async function issuesOf(content: unknown, readTfvars?: (file: string) => Promise<object>) {
  const error: unknown = await load(content, readTfvars).then(
    () => null,
    (caught: unknown) => caught,
  );
  if (error === null) return [];
  if (!(error instanceof SiteFileError)) throw error as Error;
  return error.issues;
}

/** acme with one field set, or left out with `undefined`. */
function withField(path: string, value: unknown): SiteFile {
  const site = acme();
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let section = site as unknown as Record<string, unknown>;
  for (const key of keys) {
    section[key] ??= {};
    section = section[key] as Record<string, unknown>;
  }
  if (value === undefined) delete section[last];
  else section[last] = value;
  return site;
}

describe('a good site file', () => {
  test('gives the resolved site with every default', async () => {
    const site = await load(acmeText);
    expect(site.hosts).toEqual({
      names: ['acme.presslift.test'],
      issuer: 'presslift-ca',
      ingressClass: 'traefik',
    });
    expect(site.approvals.gates).toEqual({
      apply: { quorum: 1, twoPerson: false, deadline: 'P3D', remindEvery: 'P1D' },
      'go-no-go': { quorum: 1, twoPerson: false, deadline: 'P3D', remindEvery: 'P1D' },
    });
    const unsaid = await load({
      ...acme(),
      approvals: { approvers: ['alice', 'bob'] },
      drill: undefined,
    });
    const careful = { quorum: 1, twoPerson: true, deadline: 'P3D', remindEvery: 'P1D' };
    expect(unsaid.approvals.gates).toEqual({ apply: careful, 'go-no-go': careful });
    expect(unsaid.drill).toEqual({
      schedule: '0 5 * * 1',
      rto: 'PT30M',
      rpo: 'P1D',
      mediaSample: 20,
      timeout: 'PT4H',
    });
    expect(site.slo.latency).toEqual({ p95Ms: 500, p99Ms: 1500 });
  });

  test('takes host names from Terraform variables, strings and lists', async () => {
    const tfvars = { file: '../prod.tfvars', variables: ['domain', 'aliases'] };
    const site = await load({ ...acme(), hosts: { tfvars, issuer: 'x' } }, async (file) => {
      expect(file).toBe('../prod.tfvars');
      return { domain: 'www.acme.test', aliases: ['acme.test', 'shop.acme.test'], other: 1 };
    });
    expect(site.hosts.names).toEqual(['www.acme.test', 'acme.test', 'shop.acme.test']);
    expect(site.hosts).not.toHaveProperty('tfvars');
  });
});

const EVERY_30 = '"0,30 5 * * 1", which is every 30 minutes';
const NO_YEAR = '"0 0 30 2 *", a day that no year has';
const BOTH_DAYS = '"0 5 1 * 1" with both a day of the month and a day of the week';

describe('one wrong field', () => {
  const digitalocean = {
    provider: 'digitalocean',
    clusterId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30',
    token: 'env:T',
  };
  test.each<[path: string, value: unknown, at: string, found: string, allowed: string]>([
    ['name', 'other', 'name', '"other"', '"acme", the name of the file'],
    ['name', 'Acme', 'name', '"Acme"', 'a DNS label'],
    ['cluster.namespace', undefined, 'cluster.namespace', 'nothing', 'a DNS label'],
    ['cluster', undefined, 'cluster', 'nothing', 'a section with the keys namespace'],
    ['cluster', [], 'cluster', 'an empty list', 'a section with the keys namespace'],
    ['cluster', null, 'cluster', 'an empty value', 'a section with the keys namespace'],
    ['wordpress.replicas', 1, 'wordpress.replicas', '1', 'a whole number of at least 2'],
    ['wordpress.replicas', 2.5, 'wordpress.replicas', '2.5', 'a whole number'],
    ['wordpress.replicas', '2', 'wordpress.replicas', '"2"', 'a whole number'],
    ['wordpress.image', 'a b', 'wordpress.image', '"a b"', 'an image reference'],
    ['database.port', 70000, 'database.port', '70000', 'a whole number from 1 to 65535'],
    ['database.engine', 'postgres', 'database.engine', '"postgres"', 'one of mysql, mariadb'],
    ['database.engine', 'mariadb', 'database.engine', 'mariadb', 'mysql, the engine'],
    [
      'database.managed',
      { ...digitalocean, clusterId: 'x' },
      'database.managed.clusterId',
      '"x"',
      'a UUID',
    ],
    [
      'storage.objects.provider',
      'gcs',
      'storage.objects.provider',
      '"gcs"',
      'one of spaces, r2, s3',
    ],
    ['storage.objects.bucket', 'ab', 'storage.objects.bucket', '"ab"', 'a bucket name'],
    ['storage.objects.bucket', 'Abc', 'storage.objects.bucket', '"Abc"', 'a bucket name'],
    ['storage.objects.bucket', 'a.b', 'storage.objects.bucket', '"a.b"', 'without dots (spaces)'],
    ['storage.objects.endpoint', 's3.test', 'storage.objects.endpoint', '"s3.test"', 'a URL'],
    ['storage.sharedClaim.size', '0Gi', 'storage.sharedClaim.size', '"0Gi"', 'larger than nothing'],
    [
      'storage.provisioner',
      { kind: 'x' },
      'storage.provisioner.kind',
      '"x"',
      'one of nfs-server, digitalocean-nfs',
    ],
    ['approvals.approvers', [], 'approvals.approvers', 'an empty list', 'a list, not empty'],
    ['approvals.approvers', ['a', 'a'], 'approvals.approvers[1]', 'a again', 'each name once'],
    [
      'approvals.deputies',
      ['bob'],
      'approvals.deputies[0]',
      'bob, who is an approver',
      'not approvers already',
    ],
    ['approvals.gates.apply.quorum', 3, 'approvals.gates.apply.quorum', '3', 'at most 2'],
    ['approvals.gates.apply.quorum', 0, 'approvals.gates.apply.quorum', '0', 'at least 1'],
    [
      'approvals.gates.apply.deadline',
      'PT0S',
      'approvals.gates.apply.deadline',
      '"PT0S"',
      'longer than nothing',
    ],
    [
      'approvals.gates.apply.deadline',
      '3 days',
      'approvals.gates.apply.deadline',
      '"3 days"',
      'ISO 8601',
    ],
    ['approvals.gates.apply.deadline', 'P', 'approvals.gates.apply.deadline', '"P"', 'ISO 8601'],
    ['hosts.names', ['*.acme.test'], 'hosts.names[0]', '*.acme.test', 'without *'],
    ['hosts.names', ['a.test', 'a.test'], 'hosts.names[1]', 'a.test again', 'each name once'],
    ['hosts.names', ['a_b.test'], 'hosts.names[0]', '"a_b.test"', 'a host name'],
    ['hosts.names', undefined, 'hosts', 'neither names nor tfvars', 'exactly one'],
    ['slo.latency', { p95Ms: 2000 }, 'slo.latency.p95Ms', '2000', 'at most p99Ms, which is 1500'],
    [
      'slo.availabilityPercent',
      100,
      'slo.availabilityPercent',
      '100',
      'greater than 0 less than 100',
    ],
    ['backup.timeZone', 'Mars/Base', 'backup.timeZone', '"Mars/Base"', 'an IANA time zone'],
    ['backup.timeZone', 'europe/berlin', 'backup.timeZone', '"europe/berlin"', 'an IANA time zone'],
    ['backup.timeZone', '+01:00', 'backup.timeZone', '"+01:00"', 'an IANA time zone'],
    ['backup.schedule', 'daily', 'backup.schedule', '"daily"', 'a cron expression'],
    [
      'backup.schedule',
      '0 25 * * *',
      'backup.schedule',
      '"0 25 * * *" with the hour "25", which is not from 0 to 23',
      'five fields as cron has them',
    ],
    [
      'backup.schedule',
      '*/5 * * * *',
      'backup.schedule',
      '"*/5 * * * *", which is every 5 minutes',
      'at least 15 minutes between two',
    ],
    ['backup.maxAge', 'P1D', 'backup.maxAge', 'P1D', 'longer than 1 day'],
    [
      'backup.repository',
      'rest:https://backup:hunter2@backup.test/acme',
      'backup.repository',
      'an address with a user or password in it (not shown)',
      'an address without',
    ],
    ['drill.schedule', '0,30 5 * * 1', 'drill.schedule', EVERY_30, 'at least 1 hour between two'],
    ['drill.schedule', '0 0 30 2 *', 'drill.schedule', NO_YEAR, 'a day that there is'],
    ['drill.schedule', '0 5 1 * 1', 'drill.schedule', BOTH_DAYS, 'five fields as cron has them'],
    ['drill.timeout', 'PT1M', 'drill.timeout', 'PT1M', 'at least drill.rto, which is PT5M'],
    ['drill.rpo', 'PT12H', 'drill.rpo', 'PT12H', 'at least 1 day, the longest time between'],
    ['drill.host', '*.drill.test', 'drill.host', '"*.drill.test"', 'without *'],
    [
      'drill.host',
      'acme.presslift.test',
      'drill.host',
      '"acme.presslift.test", a host name of the site itself',
      'a host name that no visitor uses',
    ],
    ['media.deleteLocal', 'yes', 'media.deleteLocal', '"yes"', 'true or false'],
    ['load.paths', ['shop'], 'load.paths[0]', '"shop"', 'an absolute path'],
  ])('%s: %j', async (path, value, at, found, allowed) => {
    const issues = await issuesOf(withField(path, value));
    expect(issues.map((issue) => issue.path)).toEqual([at]);
    expect(issues[0]?.found).toBe(found);
    expect(issues[0]?.allowed).toContain(allowed);
  });

  test('r2 without its endpoint', async () => {
    const objects = { ...acme().storage.objects, provider: 'r2', endpoint: undefined };
    const issues = await issuesOf(withField('storage.objects', objects));
    expect(issues.map(({ path, found }) => [path, found])).toEqual([
      ['storage.objects.endpoint', 'nothing'],
    ]);
  });

  test('s3 with a bucket name that is an IP address', async () => {
    const objects = { ...acme().storage.objects, provider: 's3', bucket: '10.0.0.1' };
    const issues = await issuesOf(withField('storage.objects', objects));
    expect(issues.map(({ allowed }) => allowed)).toEqual([
      'a bucket name that is not an IP address',
    ]);
  });

  test('no CA where no provider can be asked for it', async () => {
    const database = { ...acme().database, ca: undefined, managed: undefined };
    const issues = await issuesOf(withField('database', database));
    expect(issues.map(({ path }) => path)).toEqual(['database.ca']);
  });

  test('a repository without its password', async () => {
    const backup = { repository: 's3:https://s3.test/backups', password: undefined };
    const issues = await issuesOf(withField('backup', backup));
    expect(issues.map(({ path, found }) => [path, found])).toEqual([
      ['backup.password', 'nothing'],
    ]);
  });

  test('weekly backups under objectives for daily ones', async () => {
    const issues = await issuesOf(withField('backup.schedule', '0 3 * * 7'));
    expect(issues.map(({ path, allowed }) => [path, allowed.split(',')[0]])).toEqual([
      ['backup.maxAge', 'longer than 7 days'],
      ['drill.rpo', 'at least 7 days'],
    ]);
  });

  test('a drill on a host that a wildcard of the site covers', async () => {
    const site = withField('hosts.names', ['acme.test', '*.acme.test']);
    const drill = (host: string) => issuesOf({ ...site, drill: { ...site.drill, host } });
    expect((await drill('copy.acme.test')).map(({ path }) => path)).toEqual(['drill.host']);
    expect(await drill('copy.drill.acme.test')).toEqual([]);
  });

  test.each(['Asia/Kolkata', 'America/Argentina/Ushuaia', 'EST5EDT', 'UTC'])(
    '%s is a time zone',
    async (timeZone) => {
      expect(await issuesOf(withField('backup.timeZone', timeZone))).toEqual([]);
    },
  );

  test('two persons asked for where there is one', async () => {
    const approvals = { approvers: ['alice'] };
    const issues = await issuesOf(withField('approvals', approvals));
    expect(issues.map(({ path }) => path)).toEqual([
      'approvals.gates.apply.twoPerson',
      'approvals.gates.go-no-go.twoPerson',
    ]);
  });

  test.each(['database.managed.apiEndpoint', 'storage.objects.endpoint', 'cdn.apiEndpoint'])(
    '%s without TLS, except on this machine',
    async (path) => {
      const issues = await issuesOf(withField(path, 'http://api.example.com/'));
      expect(issues.map(({ path: where, allowed }) => [where, allowed])).toEqual([
        [path, expect.stringContaining('http:// only for localhost')],
      ]);
      expect(await issuesOf(withField(path, 'http://127.0.0.1:17080/'))).toEqual([]);
    },
  );

  test('both names and tfvars', async () => {
    const tfvars = { file: 'x.tfvars', variables: ['domain'] };
    const issues = await issuesOf(withField('hosts.tfvars', tfvars));
    expect(issues.map(({ path, found }) => [path, found])).toEqual([
      ['hosts', 'both names and tfvars'],
    ]);
  });
});

test('snapshots of a share need a token: the share’s own, or that of the managed database', async () => {
  const issues = (changed: object, managed?: object) => {
    const site = withField('storage.provisioner', {
      ...{ kind: 'digitalocean-nfs', server: '10.0.0.2', path: '/1/share' },
      ...{ shareId: '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30', ...changed },
    }) as { database: object };
    return issuesOf({ ...site, database: { ...site.database, managed } });
  };
  expect(await issues({})).toMatchObject([{ path: 'storage.provisioner.token', found: 'nothing' }]);
  expect(await issues({ token: 'env:SHARE_TOKEN' })).toEqual([]);
  expect(await issues({ shareId: undefined })).toEqual([]);
  const clusterId = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
  expect(await issues({}, { provider: 'digitalocean', clusterId, token: 'env:T' })).toEqual([]);
});

describe('host names from Terraform', () => {
  const site = (...variables: string[]) => ({
    ...acme(),
    hosts: { tfvars: { file: 'prod.tfvars', variables } },
  });
  const values = { domain: 'www.acme.test', region: 'nyc3', built: '${var.name}.test', n: 3 };

  test.each([
    ['domian', 'a variable that prod.tfvars sets', 'did you mean domain?'],
    ['region', 'a variable with a host name', null],
    ['built', 'without expressions', null],
    ['n', 'a variable with a host name', null],
  ])('variable %s', async (variable, allowed, hint) => {
    const issues = await issuesOf(site('domain', variable), async () => values);
    expect(issues.map(({ path }) => path)).toEqual(['hosts.tfvars.variables[1]']);
    expect(issues[0]?.allowed).toContain(allowed);
    expect(issues[0]?.hint).toBe(hint);
  });

  test('a file that cannot be read', async () => {
    const issues = await issuesOf(site('domain'));
    expect(issues.map(({ path, found }) => [path, found])).toEqual([
      ['hosts.tfvars.file', '"prod.tfvars": there is no such file'],
    ]);
  });
});

describe('errors', () => {
  test('are all told at once, in the order of the file, with line and column', async () => {
    const text = acmeText
      .replace('namespace: acme', 'namspace: acme')
      .replace('port: 13306', 'port: 0')
      .replace('deputies: [carol]', 'deputies: [alice]')
      .replace('quorum: 1', 'quorum: 9')
      .concat('\nmedai: {}\n');
    const lineOf = (part: string) => text.slice(0, text.indexOf(part)).split('\n').length;
    const issues = await issuesOf(text);
    expect(issues.map(({ path, line, hint }) => [path, line, hint])).toEqual([
      ['cluster.namespace', lineOf('cluster:'), null],
      ['cluster.namspace', lineOf('namspace: acme'), 'did you mean namespace?'],
      ['database.port', lineOf('port: 0'), null],
      ['approvals.deputies[0]', lineOf('deputies: [alice]'), null],
      ['approvals.gates.apply.quorum', lineOf('quorum: 9'), null],
      ['medai', lineOf('medai: {}'), 'did you mean media?'],
    ]);
  });

  test('of YAML have line and column too', async () => {
    const issues = await issuesOf('name: acme\n  bad: [1\nname: x');
    expect(issues.length).toBeGreaterThan(0);
    expect(issues[0]).toMatchObject({ line: 1, column: 7 });
    expect(issues[0]?.found).toMatch(/^bad YAML/);
  });

  test.each(['', '[]', 'text', '42', 'null', '---\na: 1\n---\nb: 2', '*alias', 'a: &a [*a]'])(
    'of %j as a whole file are told, not thrown as something else',
    async (text) => {
      expect((await issuesOf(text)).length).toBeGreaterThan(0);
    },
  );

  test('never repeat what could be a secret', async () => {
    const secret = 'hunter2-planted';
    const root = siteJsonSchema();
    const fields: string[] = [];
    const walk = (node: SchemaNode, path: string): void => {
      if (node.title === secretReferenceAllowed) fields.push(path);
      for (const [name, child] of Object.entries(node.properties ?? {})) {
        walk(child, path === '' ? name : `${path}.${name}`);
      }
      if (node.items !== undefined) walk(node.items, `${path}[]`);
    };
    walk(root, '');
    expect(fields).toContain('database.credentials');
    expect(fields).toContain('notifications.webhooks[].url');
    for (const field of fields) {
      const site = field.includes('[]')
        ? withField('notifications', { webhooks: [{ url: secret }] })
        : withField(field, secret);
      const error = await load(site).catch((caught: unknown) => caught);
      expect(error, field).toBeInstanceOf(SiteFileError);
      expect(String(error)).toContain(field.replace('[]', '[0]'));
      expect(JSON.stringify(error) + String(error)).not.toContain(secret);
    }
    const broken = acmeText.replace('kubernetes:acme/wordpress-admin', `"${secret}`);
    expect(String(await load(broken).catch((caught: unknown) => caught))).not.toContain(secret);
  });
});

describe('nonsense', () => {
  test('never crashes the reader: any text gives a site or a list of errors', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 200 }), async (text) => {
        expect((await issuesOf(text)).length).toBeGreaterThan(0);
      }),
    );
  });

  test('in any place of a good file gives errors for people', async () => {
    const paths = [
      'name',
      'hosts',
      'hosts.names',
      'cluster',
      'database.port',
      'storage.objects',
      'storage.provisioner',
      'approvals',
      'approvals.gates',
      'approvals.gates.apply',
      'slo',
      '__proto__x',
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.jsonValue(), async (path, value) => {
        for (const issue of await issuesOf(withField(path, value))) {
          expect(issue.found).not.toBe('');
          expect(issue.allowed).not.toBe('');
          expect(issue.allowed).not.toMatch(/undefined|\[object/);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('keys of every spelling are refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 1 }), async (key) => {
        const site = acme() as Record<string, unknown>;
        fc.pre(!Object.hasOwn(siteJsonSchema().properties ?? {}, key));
        // The YAML, not an object: `__proto__` as key of a literal would not be a key.
        const text = `${stringify(site)}\n${stringify(key).trimEnd()}: 1\n`;
        expect((await issuesOf(text)).length).toBeGreaterThan(0);
      }),
    );
    expect((await issuesOf(`${acmeText}\n__proto__: 1\n`)).map(({ path }) => path)).toEqual([
      '__proto__',
    ]);
  });
});

test('sites/example-digitalocean.yaml shows every section and is valid', async () => {
  const text = readFileSync('sites/example-digitalocean.yaml', 'utf8');
  const site = await parseSite(text, {
    fileName: 'sites/example-digitalocean.yaml',
    readTfvars: noTfvars,
  });
  expect(site.name).toBe('example-digitalocean');
  expect(Object.keys(parse(text) as object).sort()).toEqual(
    Object.keys(siteJsonSchema().properties ?? {}).sort(),
  );
});
