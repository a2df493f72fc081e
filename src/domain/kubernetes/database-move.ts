import type { V1Container, V1EnvVar, V1PodTemplateSpec, V1Volume } from '@kubernetes/client-node';
import { plain } from './plain.ts';

/** Variable of the official image that says where the database is. */
export const DATABASE_HOST = 'WORDPRESS_DB_HOST';

/** Where pods find their database: the host and Secrets that the template names. */
export interface DatabaseMove {
  /** `host:port`. */
  host: string;
  /** Secret that the template names → the one that it shall name instead. */
  secrets: Record<string, string>;
}

/** What a move has replaced, to be put back. */
export interface ReplacedHost {
  container: string;
  entry: V1EnvVar;
}

export interface MovedTemplate {
  template: V1PodTemplateSpec;
  hosts: ReplacedHost[];
  /** Secrets of `move.secrets` that the template does name. */
  named: string[];
}

/**
 * The template with another database: `WORDPRESS_DB_HOST` in every container that sets it, and every reference to the
 * given Secrets (variables, volumes, projected volumes). All else stays as it is.
 */
export function movedTemplate(template: V1PodTemplateSpec, move: DatabaseMove): MovedTemplate {
  const hosts: ReplacedHost[] = [];
  const named = new Set<string>();
  const moved = withSecrets(template, (name) => {
    const other = move.secrets[name];
    if (other === undefined) return name;
    named.add(name);
    return other;
  });
  forEachContainer(moved, (container) => {
    container.env = container.env?.map((entry) => {
      if (entry.name !== DATABASE_HOST) return entry;
      hosts.push({ container: container.name, entry });
      return { name: DATABASE_HOST, value: move.host };
    });
  });
  return { template: moved, hosts, named: [...named] };
}

/** Undoes `movedTemplate` in a template that may have changed otherwise since. */
export function returnedTemplate(
  template: V1PodTemplateSpec,
  move: DatabaseMove,
  hosts: readonly ReplacedHost[],
): V1PodTemplateSpec {
  const back = Object.fromEntries(Object.entries(move.secrets).map(([from, to]) => [to, from]));
  const returned = withSecrets(template, (name) => back[name] ?? name);
  forEachContainer(returned, (container) => {
    const before = hosts.find((host) => host.container === container.name)?.entry;
    container.env = container.env?.map((entry) => {
      const ours = entry.name === DATABASE_HOST && entry.value === move.host;
      return ours && before !== undefined ? before : entry;
    });
  });
  return returned;
}

/** Values of `WORDPRESS_DB_HOST` in the template, without those that come from elsewhere. */
export function databaseHosts(template: V1PodTemplateSpec): string[] {
  const found = new Set<string>();
  forEachContainer(plain(template), ({ env }) => {
    for (const { name, value } of env ?? []) {
      if (name === DATABASE_HOST && value !== undefined) found.add(value);
    }
  });
  return [...found];
}

/** The port of MySQL, which `host` alone means. */
const defaultPort = 3306;

/** `host` or `host:port` as `host:port`, for comparison. */
function hostAndPort(text: string): string {
  const [host = '', port = ''] = text.toLowerCase().split(':');
  return `${host}:${/^\d+$/.test(port) ? port : defaultPort}`;
}

/** Whether a value of `WORDPRESS_DB_HOST` names this database. */
export function isDatabaseAt(value: string, database: { host: string; port: number }): boolean {
  return hostAndPort(value) === hostAndPort(`${database.host}:${database.port}`);
}

/** Whether two templates name the same database; true also where one of them names none by a value. */
export function sameDatabaseHosts(one: V1PodTemplateSpec, other: V1PodTemplateSpec): boolean {
  const [a, b] = [one, other].map((template) => [
    ...new Set(databaseHosts(template).map(hostAndPort)),
  ]);
  if (a === undefined || b === undefined || a.length === 0 || b.length === 0) return true;
  return a.length === b.length && a.every((host) => b.includes(host));
}

function forEachContainer(template: V1PodTemplateSpec, visit: (container: V1Container) => void) {
  const { initContainers = [], containers = [] } = template.spec ?? {};
  for (const container of [...initContainers, ...containers]) visit(container);
}

/** A copy in which every reference to a Secret goes through `rename`. */
function withSecrets(
  template: V1PodTemplateSpec,
  rename: (name: string) => string,
): V1PodTemplateSpec {
  const copy = plain(template);
  const renamed = <T extends { name?: string }>(reference: T): T =>
    reference.name === undefined ? reference : { ...reference, name: rename(reference.name) };
  forEachContainer(copy, (container) => {
    for (const { valueFrom } of container.env ?? []) {
      if (valueFrom?.secretKeyRef) valueFrom.secretKeyRef = renamed(valueFrom.secretKeyRef);
    }
    for (const source of container.envFrom ?? []) {
      if (source.secretRef) source.secretRef = renamed(source.secretRef);
    }
  });
  for (const volume of copy.spec?.volumes ?? []) renameInVolume(volume, rename);
  return copy;
}

function renameInVolume(volume: V1Volume, rename: (name: string) => string): void {
  if (volume.secret?.secretName !== undefined) {
    volume.secret.secretName = rename(volume.secret.secretName);
  }
  for (const { secret } of volume.projected?.sources ?? []) {
    if (secret?.name !== undefined) secret.name = rename(secret.name);
  }
}
