import type { Notification, NotificationActivities } from '../contracts.ts';
import { connectionFailure, failure, failureTypeOf } from '../failure.ts';
import type { SecretResolver } from '../secrets/resolver.ts';

export interface NotificationDeps {
  secrets: SecretResolver;
  /** The worker's structured log; pino's logger is one. */
  logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
  timeoutMs?: number;
  /** For tests; the process's own fetch (certificates verified) otherwise. */
  fetch?: typeof fetch;
}

/** Tells people by the webhooks of the site file, and always by a line in the worker's log. */
export function createNotificationActivities(deps: NotificationDeps): NotificationActivities {
  return {
    /**
     * Every webhook is tried, also after one has failed. What a retry can mend (no answer, 429, 5xx) fails the activity
     * when nothing else went wrong, so a channel may then hear the same twice; what it cannot is logged.
     *
     * @throws Unavailable, RateLimited; Forbidden when a webhook refuses for good.
     */
    async notify({ site, notification }) {
      const { kind, operationId, title, body, commands } = notification;
      deps.logger.info(
        { site: site.name, operationId, kind, title, body, commands },
        `notification: ${title}`,
      );
      const problems: Error[] = [];
      for (const { url, kinds } of site.notifications.webhooks) {
        if (kinds !== undefined && !kinds.includes(kind)) continue;
        try {
          await post(deps, url, notification);
        } catch (error) {
          if (!(error instanceof Error)) throw error;
          deps.logger.warn(
            { site: site.name, operationId, webhook: url, failure: failureTypeOf(error) },
            `notification not delivered: ${error.message}`,
          );
          problems.push(error);
        }
      }
      // A refusal for good first: trying again would only repeat what has reached the others.
      const [worst] = problems.sort((a, b) => Number(retryable(a)) - Number(retryable(b)));
      if (worst) throw worst;
    },
  };
}

function retryable(error: Error): boolean {
  return (error as { nonRetryable?: boolean }).nonRetryable !== true;
}

/** Slack's and Mattermost's format: `text` is what people read, the other members serve machines. */
export function webhookBody(notification: Notification): Record<string, unknown> {
  const { kind, site, operationId, title, body, commands } = notification;
  const code = commands.length > 0 ? `\n\`\`\`\n${commands.join('\n')}\n\`\`\`` : '';
  return {
    text: `*${title}*\n${body}${code}`,
    presslift: { kind, site, operationId, title, commands },
  };
}

/** `reference` names the webhook in messages; its URL is a secret and never shows. */
async function post(
  deps: NotificationDeps,
  reference: string,
  notification: Notification,
): Promise<void> {
  const what = `Webhook ${reference}`;
  const text = await deps.secrets.resolve(reference);
  if (!URL.canParse(text)) throw failure('InvalidInput', `${what} does not hold a URL`);
  let response: Response;
  try {
    response = await (deps.fetch ?? fetch)(text, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(webhookBody(notification)),
      redirect: 'manual',
      signal: AbortSignal.timeout(deps.timeoutMs ?? 10_000),
    });
  } catch (error) {
    const mapped = connectionFailure(error, what);
    throw mapped === error ? failure('Unavailable', `${what}: the request failed`) : mapped;
  }
  await response.body?.cancel();
  if (response.ok) return;
  const said = `${what} answered ${response.status}`;
  if (response.status === 429) throw failure('RateLimited', said);
  if (response.status >= 500) throw failure('Unavailable', said);
  throw failure('Forbidden', said);
}
