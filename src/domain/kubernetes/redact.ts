import type { V1Container, V1EnvVar, V1PodTemplateSpec } from '@kubernetes/client-node';
import { plain } from './plain.ts';

/** What stands in a plan in the place of a value that could be a secret. */
export const REDACTED = '(redacted)';

const secretName = /pass|secret|key|salt|token|credential|auth|private|cert|dsn|nonce|licen[cs]e/i;

/** Environment variables whose literal values are settings, not secrets, by the contract of the official image and ours. */
const harmlessNames = new Set([
  'WORDPRESS_DB_HOST',
  'WORDPRESS_DB_NAME',
  'WORDPRESS_DB_CHARSET',
  'WORDPRESS_DB_COLLATE',
  'WORDPRESS_TABLE_PREFIX',
  'WORDPRESS_DEBUG',
  'PRESSLIFT_SHARED',
  'PRESSLIFT_FOLDERS',
  'PRESSLIFT_UPLOADS',
  'PRESSLIFT_USER',
  'PRESSLIFT_CHOWN',
  'TZ',
  'LANG',
  'LC_ALL',
  'PATH',
]);

/** Values that give nothing away whatever they are called. */
const harmlessValue = /^(|true|false|yes|no|on|off|\d{1,5})$/i;

/**
 * The template as it may stand in a plan, which people see and histories keep: every literal environment value that is
 * not known to be harmless, every argument or annotation that looks like a secret, and every header of a probe are
 * replaced by `REDACTED`. References to Secrets stay: they name the Secret, not its value.
 */
export function redactTemplate(template: V1PodTemplateSpec): V1PodTemplateSpec {
  const copy = plain(template);
  const annotations = copy.metadata?.annotations;
  if (copy.metadata !== undefined && annotations !== undefined) {
    copy.metadata.annotations = Object.fromEntries(
      Object.entries(annotations).map(([name, value]) => [
        name,
        secretName.test(name) || secretName.test(value) || value.length > 256 ? REDACTED : value,
      ]),
    );
  }
  if (copy.spec !== undefined) {
    copy.spec.containers = copy.spec.containers.map(redactContainer);
    if (copy.spec.initContainers !== undefined) {
      copy.spec.initContainers = copy.spec.initContainers.map(redactContainer);
    }
  }
  return copy;
}

function redactContainer(container: V1Container): V1Container {
  const ours = container.name === 'presslift-permissions';
  const redacted: V1Container = { ...container };
  if (redacted.env !== undefined) redacted.env = redacted.env.map(redactVariable);
  if (redacted.command !== undefined && !ours) redacted.command = redactArguments(redacted.command);
  if (redacted.args !== undefined) redacted.args = redactArguments(redacted.args);
  for (const probe of [redacted.readinessProbe, redacted.livenessProbe, redacted.startupProbe]) {
    redactHandler(probe);
  }
  redactHandler(redacted.lifecycle?.preStop);
  redactHandler(redacted.lifecycle?.postStart);
  return redacted;
}

function redactVariable(variable: V1EnvVar): V1EnvVar {
  const { name, value } = variable;
  if (value === undefined || harmlessNames.has(name)) return variable;
  if (!secretName.test(name) && harmlessValue.test(value)) return variable;
  return { ...variable, value: REDACTED };
}

/** An argument that follows a secret-looking option (`--password x`) goes too. */
function redactArguments(args: string[]): string[] {
  return args.map((argument, index) => {
    const before = args[index - 1];
    const follows = before !== undefined && /^-/.test(before) && secretName.test(before);
    return follows || secretName.test(argument) ? REDACTED : argument;
  });
}

interface Handler {
  exec?: { command?: string[] };
  httpGet?: { httpHeaders?: { name: string; value: string }[] };
}

function redactHandler(handler: Handler | undefined): void {
  if (handler?.exec?.command !== undefined) {
    handler.exec.command = redactArguments(handler.exec.command);
  }
  for (const header of handler?.httpGet?.httpHeaders ?? []) {
    if (header.name.toLowerCase() !== 'host') header.value = REDACTED;
  }
}
