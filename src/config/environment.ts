import { z } from 'zod';
import { durationMs } from '../domain/durations.ts';
import { nearestName } from '../domain/site/nearest-name.ts';
import { duration, keepsSecrets, urlAllowed } from '../domain/site/values.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export type LogLevel = (typeof logLevels)[number];

const httpUrl = z.url({
  protocol: /^https?$/,
  error: 'a URL that begins with https:// or http://',
});

/** Where a token is sent along. */
const tokenUrl = z
  .url({ protocol: /^https?$/, error: urlAllowed })
  .refine((address) => !URL.canParse(address) || keepsSecrets(address), urlAllowed);

/** Every variable that the process reads by itself; `allowed` texts stand in errors and in the configuration guide. */
const variables = z.object({
  PRESSLIFT_SITES_DIR: z.string().default('./sites'),
  PRESSLIFT_LOG_LEVEL: z.enum(logLevels, `one of ${logLevels.join(', ')}`).default('info'),
  PRESSLIFT_METRICS_ADDRESS: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}$/i, 'host:port such as 0.0.0.0:9464')
    .optional(),
  PRESSLIFT_SHUTDOWN_GRACE: duration.default('PT30S'),
  PRESSLIFT_MAX_CONCURRENT_ACTIVITIES: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, 'a whole number from 1 to 9999')
    .default('20'),
  PRESSLIFT_BUILD_ID: z
    .string()
    .regex(/^[\w.-]{1,100}$/, 'letters, digits, _, . and -')
    .optional(),
  NODE_ENV: z.string().optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.optional(),
  OTEL_SERVICE_NAME: z.string().default('presslift'),
  DIGITALOCEAN_API: tokenUrl.optional(),
  VAULT_ADDR: tokenUrl.optional(),
  VAULT_TOKEN: z.string().optional(),
  VAULT_NAMESPACE: z.string().optional(),
});

/** Variables of this project that other parts read. */
const elsewhere = ['PRESSLIFT_SANDBOX_DIR', 'PRESSLIFT_APPROVER'];

export interface ProcessConfig {
  /** Folder of the site files. */
  sitesDir: string;
  logLevel: LogLevel;
  /** `host:port` of the Prometheus endpoint, or null for none. */
  metricsAddress: string | null;
  /** How long running activities may go on after SIGTERM. */
  shutdownGraceMs: number;
  maxConcurrentActivities: number;
  /** Version of this worker in Temporal's worker versioning, or null for an unversioned worker. */
  buildId: string | null;
  /** True where the prebuilt workflow bundle must be used. */
  production: boolean;
  /** Traces go there (OTLP over HTTP); null for none. */
  traceEndpoint: string | null;
  serviceName: string;
  /** DigitalOcean's API for sites that name none; null for the official one. */
  digitaloceanApi: string | null;
  vault: { address: string; token: string; namespace?: string } | null;
  /** Things that are probably typing errors, for the log. */
  warnings: string[];
}

/** The environment is wrong; `problems` has every variable with what is allowed. Values are not repeated. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
  readonly problems: string[];

  constructor(problems: string[]) {
    super(['The environment is not usable:', ...problems.map((text) => `  ${text}`)].join('\n'));
    this.problems = problems;
  }
}

/**
 * Configuration of the process from its environment. An empty variable counts as not set.
 *
 * @throws EnvironmentError with every problem at once
 */
export function readEnvironment(env: NodeJS.ProcessEnv): ProcessConfig {
  const set = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  );
  const checked = variables.safeParse(set);
  const problems = (checked.error?.issues ?? []).map(
    (issue) => `${issue.path.join('.')}: allowed is ${issue.message}`,
  );
  if (set.VAULT_ADDR !== undefined && set.VAULT_TOKEN === undefined) {
    problems.push('VAULT_TOKEN: not set; needed because VAULT_ADDR is set');
  }
  if (set.TEMPORAL_TLS_DISABLE_HOST_VERIFICATION !== undefined) {
    problems.push(
      'TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: not supported, certificates are always verified;' +
        ' give the CA with TEMPORAL_TLS_SERVER_CA_CERT_PATH',
    );
  }
  if (!checked.success || problems.length > 0) throw new EnvironmentError(problems);

  const values = checked.data;
  return {
    sitesDir: values.PRESSLIFT_SITES_DIR,
    logLevel: values.PRESSLIFT_LOG_LEVEL,
    metricsAddress: values.PRESSLIFT_METRICS_ADDRESS ?? null,
    shutdownGraceMs: durationMs(values.PRESSLIFT_SHUTDOWN_GRACE),
    maxConcurrentActivities: Number(values.PRESSLIFT_MAX_CONCURRENT_ACTIVITIES),
    buildId: values.PRESSLIFT_BUILD_ID ?? null,
    production: values.NODE_ENV === 'production',
    traceEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT ?? null,
    serviceName: values.OTEL_SERVICE_NAME,
    digitaloceanApi: values.DIGITALOCEAN_API ?? null,
    vault:
      values.VAULT_ADDR === undefined
        ? null
        : {
            address: values.VAULT_ADDR,
            token: values.VAULT_TOKEN ?? '',
            namespace: values.VAULT_NAMESPACE,
          },
    warnings: unknownVariables(Object.keys(set)),
  };
}

function unknownVariables(names: string[]): string[] {
  const known = [...Object.keys(variables.shape), ...elsewhere];
  return names
    .filter((name) => name.startsWith('PRESSLIFT_') && !known.includes(name))
    .map((name) => {
      const meant = nearestName(name, known);
      return `${name} is set but nothing reads it${meant === null ? '' : `; did you mean ${meant}?`}`;
    });
}

/** Names of all variables, for the configuration guide's test. */
export const variableNames = Object.keys(variables.shape);
