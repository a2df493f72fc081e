/** Proves that the process refuses a wrong environment as a whole, logs no secrets, and joins its deployment. */
import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { temporalSettings } from '../../../src/config/connect.ts';
import { joinDeployment } from '../../../src/config/deployment.ts';
import {
  EnvironmentError,
  readEnvironment,
  variableNames,
} from '../../../src/config/environment.ts';
import { createLogger, temporalLogger, type Logger } from '../../../src/config/logging.ts';
import { ensureSearchAttributes } from '../../../src/config/search-attributes.ts';
import { searchAttributeNames } from '../../../src/domain/search-attributes.ts';

function problemsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    readEnvironment(env);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.problems;
    throw error;
  }
  return [];
}

/** A logger and the JSON lines that it wrote. @param heard is called after each */
function listening(heard: () => void = () => undefined) {
  const lines: Record<string, unknown>[] = [];
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
      heard();
    },
  });
  const logger: Logger = createLogger({ logLevel: 'trace', serviceName: 'test' }, destination);
  return { logger, lines };
}

describe('the environment', () => {
  test('has a default for everything', () => {
    expect(readEnvironment({})).toEqual({
      sitesDir: './sites',
      logLevel: 'info',
      metricsAddress: null,
      shutdownGraceMs: 30_000,
      maxConcurrentActivities: 20,
      buildId: null,
      production: false,
      traceEndpoint: null,
      serviceName: 'presslift',
      digitaloceanApi: null,
      vault: null,
      warnings: [],
    });
  });

  test('empty variables count as not set', () => {
    const empty = Object.fromEntries(variableNames.map((name) => [name, '']));
    expect(readEnvironment(empty)).toEqual(readEnvironment({}));
  });

  test('gives all problems at once, without the values', () => {
    const problems = problemsOf({
      PRESSLIFT_LOG_LEVEL: 'secret-level',
      PRESSLIFT_METRICS_ADDRESS: '9464',
      PRESSLIFT_SHUTDOWN_GRACE: 'PT0S',
      PRESSLIFT_MAX_CONCURRENT_ACTIVITIES: '0',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
      VAULT_ADDR: 'vault',
      TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: '1',
    });
    expect(problems.map((text) => text.split(':')[0])).toEqual([
      'PRESSLIFT_LOG_LEVEL',
      'PRESSLIFT_METRICS_ADDRESS',
      'PRESSLIFT_SHUTDOWN_GRACE',
      'PRESSLIFT_MAX_CONCURRENT_ACTIVITIES',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'VAULT_ADDR',
      'VAULT_TOKEN',
      'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION',
    ]);
    expect(problems.join()).not.toContain('secret-level');
  });

  test.each([
    ['VAULT_ADDR', 'http://vault.example.com:8200', false],
    ['VAULT_ADDR', 'http://127.0.0.1.example.com', false],
    ['VAULT_ADDR', 'http://10.0.0.1', false],
    ['VAULT_ADDR', 'https://vault.example.com', true],
    ['VAULT_ADDR', 'http://127.0.0.9:8200', true],
    ['VAULT_ADDR', 'http://localhost:8200', true],
    ['DIGITALOCEAN_API', 'http://[::1]:17080', true],
    ['DIGITALOCEAN_API', 'http://api.example.com', false],
  ])('%s=%s, where a token goes, is taken: %s', (name, value, taken) => {
    const env = { VAULT_TOKEN: 'x', [name]: value };
    if (taken) readEnvironment(env);
    else {
      expect(problemsOf(env)).toEqual([
        `${name}: allowed is a URL that begins with https://; http:// only for localhost, 127.0.0.0/8 and [::1]`,
      ]);
    }
  });

  test('warns of a variable that nothing reads, with the nearest name', () => {
    expect(readEnvironment({ PRESSLIFT_SITE_DIR: 'x' }).warnings).toEqual([
      'PRESSLIFT_SITE_DIR is set but nothing reads it; did you mean PRESSLIFT_SITES_DIR?',
    ]);
  });

  test('is documented as a whole', () => {
    const guide = readFileSync('docs/guides/configuration.md', 'utf8');
    for (const name of variableNames) expect(guide).toContain(`\`${name}\``);
  });
});

describe('the connection', () => {
  const nowhere = { HOME: '/nonexistent' };

  test('goes to localhost by default', () => {
    expect(temporalSettings(nowhere)).toMatchObject({
      address: 'localhost:7233',
      namespace: 'default',
    });
  });

  test('takes address, namespace, API key and TLS from the environment', () => {
    const { address, namespace, options } = temporalSettings({
      ...nowhere,
      TEMPORAL_ADDRESS: 'temporal.example.com:7233',
      TEMPORAL_NAMESPACE: 'sites',
      TEMPORAL_API_KEY: 'key',
      TEMPORAL_TLS_SERVER_NAME: 'other.example.com',
    });
    expect([address, namespace, options.apiKey]).toEqual([
      'temporal.example.com:7233',
      'sites',
      'key',
    ]);
    expect(options.tls).toMatchObject({ serverNameOverride: 'other.example.com' });
  });
});

describe('the log', () => {
  test('redacts fields that could hold secrets, also deeper ones', () => {
    const { logger, lines } = listening();
    const secret = 'planted-secret';
    logger.info({
      password: secret,
      database: { token: secret, deep: { apiKey: secret, deeper: { secretAccessKey: secret } } },
      headers: { authorization: secret },
      harmless: 'seen',
    });
    expect(JSON.stringify(lines)).not.toContain(secret);
    expect(lines[0]).toMatchObject({ harmless: 'seen', password: '[redacted]' });
  });

  test("carries Temporal's lines with level, metadata and error", () => {
    const { logger, lines } = listening();
    const bridge = temporalLogger(logger);
    bridge.warn('Activity failed', { workflowId: 'acme/x', error: new Error('broke'), n: 5n });
    bridge.log('TRACE', 'quiet');
    expect(lines[0]).toMatchObject({
      level: 'warn',
      msg: 'Activity failed',
      workflowId: 'acme/x',
      n: '5',
      err: { message: 'broke' },
    });
    expect(lines[1]).toMatchObject({ level: 'trace', msg: 'quiet' });
  });
});

const failing = (code: number) => () => Promise.reject(Object.assign(new Error('no'), { code }));

describe('search attributes', () => {
  const connectionWith = (existing: string[], add: (names: string[]) => Promise<unknown>) =>
    ({
      operatorService: {
        listSearchAttributes: async () => ({
          customAttributes: Object.fromEntries(existing.map((name) => [name, 2])),
        }),
        addSearchAttributes: ({ searchAttributes }: { searchAttributes: object }) =>
          add(Object.keys(searchAttributes)),
      },
    }) as never;

  test('that are missing are added, others left alone', async () => {
    const added: string[] = [];
    const { logger } = listening();
    const existing = searchAttributeNames.slice(0, 3);
    const add = async (names: string[]) => void added.push(...names);
    await ensureSearchAttributes(connectionWith(existing, add), 'default', logger);
    expect(added).toEqual(searchAttributeNames.slice(3));
    await ensureSearchAttributes(connectionWith(searchAttributeNames, add), 'default', logger);
    // Nothing more.
    expect(added).toEqual(searchAttributeNames.slice(3));
  });

  test('that another worker added meanwhile are no problem', async () => {
    const { logger, lines } = listening();
    await ensureSearchAttributes(connectionWith([], failing(6)), 'default', logger);
    expect(lines).toEqual([]);
  });

  test('that may not be added give a warning with the commands', async () => {
    const { logger, lines } = listening();
    await ensureSearchAttributes(connectionWith([], failing(7)), 'sites', logger);
    expect(lines[0]).toMatchObject({ level: 'warn' });
    expect(JSON.stringify(lines[0])).toContain(
      'temporal operator search-attribute create --namespace sites --name PressliftSite',
    );
  });
});

describe('the deployment', () => {
  /** Temporal as the worker sees it: knows the version after some looks, promotes when told. */
  function server(options: { current?: string; refuse?: number } = {}) {
    let current = options.current ?? null;
    let looks = 0;
    const promoted: string[] = [];
    const connection = {
      workflowService: {
        describeWorkerDeployment: async () => {
          looks += 1;
          if (looks === 1) throw Object.assign(new Error('not there yet'), { code: 5 });
          return {
            workerDeploymentInfo: {
              routingConfig: { currentDeploymentVersion: current ? { buildId: current } : null },
              versionSummaries: ['default', 'v2'].map((buildId) => ({
                deploymentVersion: { buildId },
              })),
            },
          };
        },
        setWorkerDeploymentCurrentVersion: async ({ buildId }: { buildId: string }) => {
          if (options.refuse) throw Object.assign(new Error('no'), { code: options.refuse });
          promoted.push(buildId);
          current = buildId;
        },
      },
    } as never;
    return { connection, promoted };
  }

  test('gets a worker without build id as its current version', async () => {
    const { connection, promoted } = server();
    const { logger } = listening();
    const { signal } = new AbortController();
    expect(await joinDeployment(connection, 'default', { buildId: null }, logger, signal)).toBe(
      true,
    );
    expect(promoted).toEqual(['default']);
  });

  test('is not told anything by a named version; a warning says how to promote it', async () => {
    const { connection, promoted } = server({ current: 'v1' });
    const stop = new AbortController();
    const { logger, lines } = listening(() => stop.abort());
    expect(await joinDeployment(connection, 'd', { buildId: 'v2' }, logger, stop.signal)).toBe(
      false,
    );
    expect(promoted).toEqual([]);
    expect(JSON.stringify(lines)).toContain('set-current-version --namespace d');
  });

  test('that may not be changed gives the same warning', async () => {
    const { connection } = server({ refuse: 7 });
    const stop = new AbortController();
    const { logger, lines } = listening(() => stop.abort());
    expect(await joinDeployment(connection, 'd', { buildId: null }, logger, stop.signal)).toBe(
      false,
    );
    expect(JSON.stringify(lines)).toContain('--build-id default');
  });

  test('fails the start when Temporal fails otherwise', async () => {
    const { connection } = server({ refuse: 13 });
    const { logger } = listening();
    const { signal } = new AbortController();
    await expect(
      joinDeployment(connection, 'd', { buildId: null }, logger, signal),
    ).rejects.toThrow('no');
  });
});
