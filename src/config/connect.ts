import { Client, Connection, type ClientInterceptors } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

/** Temporal does not answer where the configuration says it is. */
export class TemporalUnreachableError extends Error {
  override readonly name = 'TemporalUnreachableError';
}

/** The settings of the connection cannot be read: a profile, a certificate or key file that is not there. */
export class TemporalSettingsError extends Error {
  override readonly name = 'TemporalSettingsError';
}

const DEFAULT_ADDRESS = 'localhost:7233';

export interface TemporalSettings {
  address: string;
  namespace: string;
  options: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
}

/**
 * Where Temporal is and how to reach it: `TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS*`,
 * `TEMPORAL_PROFILE`, and the file that the `temporal` command line writes. The same settings as for every Temporal tool.
 *
 * @throws TemporalSettingsError
 */
export function temporalSettings(env: NodeJS.ProcessEnv): TemporalSettings {
  try {
    const overrideEnvVars = Object.fromEntries(
      Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
    ) as Record<string, string>;
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars });
    const address = connectionOptions.address ?? DEFAULT_ADDRESS;
    return {
      address,
      namespace: namespace ?? 'default',
      options: { ...connectionOptions, address },
    };
  } catch (error) {
    throw new TemporalSettingsError(
      `The settings of the connection to Temporal cannot be used: ${reason(error)}`,
      { cause: error },
    );
  }
}

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Nobody answers at the configured address; the reason is the innermost one. */
export function unreachable(
  { address }: TemporalSettings,
  error: unknown,
): TemporalUnreachableError {
  return new TemporalUnreachableError(
    `Temporal does not answer at ${address} (${rootReason(error)}). ` +
      'Is it running, and is TEMPORAL_ADDRESS right? `presslift sandbox up` starts one for trying.',
    { cause: error },
  );
}

function rootReason(error: unknown): string {
  let deepest = error;
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause;
  const text = reason(deepest);
  // The worker's native library prints its errors as data; what a person reads is the message in it.
  const native = /message: "([^"]+)"/.exec(text)?.[1];
  return (native ?? text.split('\n')[0] ?? '').slice(0, 200);
}

/**
 * A client for the command line. Fails within `timeoutMs` when nobody answers.
 *
 * @throws TemporalUnreachableError
 */
export async function connectClient(
  settings: TemporalSettings,
  options: { timeoutMs?: number; interceptors?: ClientInterceptors } = {},
): Promise<Client> {
  try {
    const { tls, apiKey, metadata, address } = settings.options;
    const connection = await Connection.connect({
      address,
      tls,
      apiKey,
      // gRPC calls it metadata; binary values do not come out of the environment.
      metadata: metadata as Record<string, string> | undefined,
      connectTimeout: options.timeoutMs ?? 5_000,
    });
    return new Client({
      connection,
      namespace: settings.namespace,
      interceptors: options.interceptors,
    });
  } catch (error) {
    throw unreachable(settings, error);
  }
}
