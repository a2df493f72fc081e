import type { Connection } from '@temporalio/client';
import { searchAttributeNames } from '../domain/search-attributes.ts';
import { grpcCode, grpcCodes } from './grpc.ts';

/** `INDEXED_VALUE_TYPE_KEYWORD` of Temporal's API. */
const KEYWORD = 2;

/** Where it says what it did; the worker's log is one. */
export interface Told {
  info(what: { added: string[]; namespace: string }, text: string): void;
  warn(what: { err: unknown; commands: string[] }, text: string): void;
}

/**
 * Makes Presslift's search attributes known to the namespace. Those that exist stay; without permission (Temporal Cloud,
 * for one) a warning says who has to do it and how.
 */
export async function ensureSearchAttributes(
  connection: Pick<Connection, 'operatorService'>,
  namespace: string,
  logger: Told,
): Promise<void> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({
      namespace,
    });
    const missing = searchAttributeNames.filter((name) => customAttributes[name] === undefined);
    if (missing.length === 0) return;
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
    });
    logger.info({ added: missing, namespace }, 'search attributes added');
  } catch (error) {
    // Another worker that starts at the same time was quicker.
    if (grpcCode(error) === grpcCodes.alreadyExists) return;
    const commands = searchAttributeNames.map(
      (name) =>
        `temporal operator search-attribute create --namespace ${namespace} --name ${name} --type Keyword`,
    );
    logger.warn(
      { err: error, commands },
      'search attributes cannot be added with these permissions; unless they exist already, workflows will fail to ' +
        'start: let an administrator of the namespace run the commands',
    );
  }
}
