import { z } from 'zod';

/**
 * The kinds of values that stand in a site file. `title` says what is allowed, in the words that error messages, the
 * JSON Schema and docs/reference/site-file.md show.
 */

/** A string that matches `pattern`; `allowed` is what a person reads when it does not. */
function text(pattern: RegExp, allowed: string) {
  return z.string().regex(pattern, allowed).meta({ title: allowed });
}

export const dnsLabel = text(
  /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
  'a DNS label: lower case letters, digits and -, at most 63 characters',
);

export const hostname = text(
  /^(?=.{1,253}$)(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/,
  'a host name in lower case such as www.example.com',
);

export const duration = text(
  /^(?=.*[1-9])P(?!$)(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$/,
  'an ISO 8601 duration longer than nothing, such as PT5M or P3D',
);

export const quantity = text(
  /^(?=.*[1-9])\d+(\.\d+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$/,
  'a Kubernetes quantity larger than nothing, such as 5Gi',
);

export const cronExpression = text(
  /^\S+( \S+){4}$/,
  'a cron expression of five fields such as 0 3 * * *',
);

export const imageReference = text(
  /^[a-z0-9][\w.:/@-]*[\w]$/,
  'an image reference such as registry.example.com/wordpress:6.8.1',
);

export const absolutePath = text(/^\/\S*$/, 'an absolute path such as /var/www/html');

export const nonEmptyText = text(/\S/, 'a text that is not empty');

/** What the message of a malformed secret reference says; such a value is never shown, it may be the secret itself. */
export const secretReferenceAllowed =
  'a secret reference: kubernetes:<namespace>/<name>[#<key>], vault:<path>[#<key>] or env:<NAME>';

/**
 * A reference to a secret, never its value: `kubernetes:namespace/name` or `kubernetes:namespace/name#key`,
 * `vault:path` or `vault:path#key`, `env:NAME`.
 */
export const secretReference = text(
  /^(kubernetes:[a-z0-9.-]+\/[a-z0-9.-]+(#[\w.-]+)?|vault:[\w./-]+(#[\w.-]+)?|env:[A-Za-z_]\w*)$/,
  secretReferenceAllowed,
);

export const urlAllowed =
  'a URL that begins with https://; http:// only for localhost, 127.0.0.0/8 and [::1]';

/** Whether a URL of http or https may carry credentials: unencrypted they do not leave the machine. */
export function keepsSecrets(address: string): boolean {
  const { protocol, hostname: host } = new URL(address);
  const loopback = host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
  return protocol === 'https:' || loopback;
}

export const url = z
  .url({ protocol: /^https?$/ })
  .refine((address) => !URL.canParse(address) || keepsSecrets(address), urlAllowed)
  .meta({ title: urlAllowed });

export const port = z.int().min(1).max(65535);
