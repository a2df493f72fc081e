import { cancellationSignal } from '../activities/activity-context.ts';
import { failureTypeOf } from '../activities/failure.ts';
import type { SecretResolver } from '../activities/secrets/index.ts';
import { CookieJar } from '../activities/wordpress-admin/cookies.ts';
import {
  openAdminSession,
  resumeAdminSession,
  type AdminSession,
} from '../activities/wordpress-admin/session.ts';
import type { Site } from '../domain/site/schema.ts';
import type { Logger } from './logging.ts';

/** How activities come to WP Admin: as the site's administrator, or with the cookies of an earlier login. */
export interface AdminSessions {
  /** Logs the site's administrator in; whoever asks closes the session. */
  openAdmin(site: Site): Promise<AdminSession>;
  /** A session that goes on with login cookies of an earlier one, each `name=value`. It does not log in. */
  resumeAdmin(site: Site, cookies: string[]): AdminSession;
  /**
   * Logs an administrator in and returns the login's cookies as `name=value`, for the recovery point's Secret alone. Null,
   * with a warning, where the login does not work: a site that is broken already must still get its recovery point.
   */
  loginCookies(site: Site): Promise<string[] | null>;
}

/** Sessions over the ingress, with the credentials that the site file refers to. */
export function createAdminSessions(secrets: SecretResolver, logger: Logger): AdminSessions {
  const addressOf = (site: Site) => ({
    baseUrl: `https://${site.hosts.names[0]}`,
    signal: cancellationSignal(),
  });

  async function openAdmin(site: Site): Promise<AdminSession> {
    const reference = site.wordpress.adminCredentials;
    return openAdminSession({
      ...addressOf(site),
      username: await secrets.resolve(reference, 'username'),
      password: await secrets.secret(reference, 'password'),
    });
  }

  return {
    openAdmin,

    resumeAdmin(site, cookies) {
      const jar = new CookieJar();
      jar.store(
        cookies.map((cookie) => `${cookie}; path=/`),
        '/',
      );
      return resumeAdminSession({ ...addressOf(site), cookies: jar });
    },

    async loginCookies(site) {
      cancellationSignal()?.throwIfAborted();
      try {
        const session = await openAdmin(site);
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
    },
  };
}
