import { NativeConnection } from '@temporalio/worker';
import { unreachable, type TemporalSettings } from './connect.ts';

/**
 * The worker's connection.
 *
 * @throws TemporalUnreachableError
 */
export async function connectWorker(settings: TemporalSettings): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(settings.options);
  } catch (error) {
    throw unreachable(settings, error);
  }
}
