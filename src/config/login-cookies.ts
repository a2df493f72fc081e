import { cancellationSignal } from '../activities/activity-context.ts';
import { failureTypeOf } from '../activities/failure.ts';
import type { SecretResolver } from '../activities/secrets/index.ts';
import { openAdminSession } from '../activities/wordpress-admin/session.ts';
import type { Site } from '../domain/site/schema.ts';
import type { Logger } from './logging.ts';

/**
 * Logs an administrator in and returns the login's cookies as `name=value`, for the recovery point's Secret alone. Null,
 * with a warning, where the login does not work: a site that is broken already must still get its recovery point.
 */
export async function loginCookies(
  secrets: SecretResolver,
  site: Site,
  logger: Logger,
): Promise<string[] | null> {
  cancellationSignal()?.throwIfAborted();
  const reference = site.wordpress.adminCredentials;
  try {
    const session = await openAdminSession({
      baseUrl: `https://${site.hosts.names[0]}`,
      username: await secrets.resolve(reference, 'username'),
      password: await secrets.secret(reference, 'password'),
      signal: cancellationSignal(),
    });
    try {
      return session.cookies.header('/wp-admin/').split('; ');
    } finally {
      await session.close();
    }
  } catch (error) {
    cancellationSignal()?.throwIfAborted();
    logger.warn(
      { site: site.name, type: failureTypeOf(error), reason: (error as Error).message },
      'no login for the recovery point',
    );
    return null;
  }
}
