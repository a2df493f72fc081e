import type { V1Deployment, V1PodTemplateSpec } from '@kubernetes/client-node';
import {
  movedTemplate,
  returnedTemplate,
  type DatabaseMove,
} from '../../domain/kubernetes/database-move.ts';
import { forkNames, type ForkNames } from '../../domain/recovery/database-fork.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { ChangeInput, RollbackActivities } from '../contracts.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { listPods, requireDeployment, selectorOf } from '../kubernetes/site-objects.ts';
import { awaitSettled } from '../hybrid-storage/rollout-waits.ts';
import { replace } from '../kubernetes/apply.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { waitUntil } from '../kubernetes/wait.ts';
import { parseSecretReference } from '../secrets/reference.ts';
import { clusterOf, wantedFork, type ManagedDatabaseDeps } from './deps.ts';
import {
  readKept,
  readSecret,
  removeSecret,
  writeKept,
  writeSecret,
  type KeptFork,
  type RestrictedAccount,
} from './kept.ts';
import {
  accountsOf,
  forkAdministrator,
  makeReadOnly,
  makeWritable,
  oldAdministrator,
  whyForkStaysWritable,
  whyStaysWritable,
} from './write-access.ts';

type MoveChanges = Pick<RollbackActivities, 'moveToForkedDatabase' | 'moveBackFromForkedDatabase'>;

/**
 * The old database is made read-only before the first new pod starts: what visitors write while pods are exchanged would
 * be lost without a word otherwise; so it is refused, and pages are read as before.
 */
export function createMoveChanges(deps: ManagedDatabaseDeps): MoveChanges {
  return {
    async moveToForkedDatabase(input) {
      const { site, operationId } = input;
      const k = clusterOf(deps, site);
      const names = namesOf(input);
      const fork = await requireKept(k, site, names);
      const deployment = await requireDeployment(k, site);
      const move = moveOf(site, names, fork);
      const ready = fork.move === null ? await keepOld(k, input, deployment, fork, move) : fork;
      await copySecrets(k, site, operationId, ready);

      if (ready.left !== null) await makeWritable(forkAdministrator(ready), ready.left);
      const writable = await whyStaysWritable(deps, site);
      const old = writable === null ? await oldAdministrator(deps, site) : null;
      const restricted =
        old === null
          ? null
          : (ready.restricted ?? (await accountsOf(old, await userOf(deps, site))));
      const servedFrom = ready.servedFrom ?? new Date().toISOString();
      // Kept first: what was taken, and that visitors may have written there, must be known however far this comes.
      await writeKept(k, site, operationId, names, {
        ...{ ...ready, restricted, servedFrom, left: null },
      });
      if (old !== null && restricted !== null) await makeReadOnly(old, restricted);
      await rollTo(k, site, (template) => movedTemplate(template, move).template);
      const pods = await awaitRolled(k, site);
      return {
        ...{ host: fork.host, port: fork.port, clusterId: fork.clusterId },
        pods,
        oldDatabase: { host: site.database.host, readOnly: writable === null, why: writable },
        siteFile: siteFileLines(site, names, fork),
      };
    },

    async moveBackFromForkedDatabase(input) {
      const { site, operationId } = input;
      const k = clusterOf(deps, site);
      const names = namesOf(input);
      const kept = await readKept(k, site, names);
      if (kept?.move == null) return { moved: false };
      const { move, restricted } = kept;
      // As on the way there: nothing is written to what the site is about to leave.
      const leaving = await leaveFork(kept, (left) =>
        writeKept(k, site, operationId, names, { ...kept, left }),
      );
      if (restricted !== null) await makeWritable(await oldAdministrator(deps, site), restricted);
      await rollTo(k, site, (template) => returnedTemplate(template, move, move.hosts));
      const pods = await awaitRolled(k, site);
      await writeKept(k, site, operationId, names, {
        ...{ ...kept, move: null, restricted: null, left: leaving.left },
      });
      for (const name of Object.values(move.secrets)) await removeSecret(k, site, name);
      return {
        ...{ moved: true, host: site.database.host, port: site.database.port, pods },
        keptCluster: {
          ...{ name: kept.clusterName, id: kept.clusterId, host: kept.host },
          ...{ servedFrom: kept.servedFrom, readOnly: leaving.why === null, why: leaving.why },
        },
      };
    },
  };
}

const userOf = (deps: ManagedDatabaseDeps, site: Site) =>
  deps.secrets.resolve(site.database.credentials, 'username');

/**
 * Makes the fork read-only for WordPress. Where that cannot be done the site goes back all the same: it may be the fork that
 * does not answer.
 */
async function leaveFork(
  kept: KeptFork,
  write: (left: RestrictedAccount[]) => Promise<void>,
): Promise<{ left: RestrictedAccount[] | null; why: string | null }> {
  const why = whyForkStaysWritable(kept);
  if (why !== null) return { left: kept.left, why };
  let { left } = kept;
  try {
    const administrator = forkAdministrator(kept);
    left ??= await accountsOf(administrator, kept.account.username);
    // Kept first: an attempt after this one finds the accounts without their rights.
    await write(left);
    await makeReadOnly(administrator, left);
    return { left, why: null };
  } catch (error) {
    if (failureTypeOf(error) === null) throw error;
    return { left, why: (error as Error).message };
  }
}

function namesOf(input: ChangeInput): ForkNames {
  return forkNames(input.site, input.operationId, wantedFork(input).time);
}

/** @throws PreconditionFailed when the fork was not made */
async function requireKept(k: KubernetesClients, site: Site, names: ForkNames): Promise<KeptFork> {
  const kept = await readKept(k, site, names);
  if (kept !== null) return kept;
  throw failure(
    'PreconditionFailed',
    `There is no Secret ${site.cluster.namespace}/${names.secret}: the database was not forked`,
  );
}

/** The Secrets of the site's own namespace that hold what changes. @throws PreconditionFailed */
function secretsOf(site: Site): { credentials: string; ca: { name: string; key: string } | null } {
  const { credentials, ca } = site.database;
  const account = parseSecretReference(credentials);
  if (account.store !== 'kubernetes' || account.namespace !== site.cluster.namespace) {
    throw failure(
      'PreconditionFailed',
      `database.credentials must be a Secret in ${site.cluster.namespace}, which pods can use; it is ${credentials}`,
    );
  }
  const authority = ca === undefined ? null : parseSecretReference(ca);
  const isOurs =
    authority?.store === 'kubernetes' && authority.namespace === site.cluster.namespace;
  return {
    credentials: account.name,
    ca: isOurs ? { name: authority.name, key: authority.key ?? 'ca.crt' } : null,
  };
}

function moveOf(site: Site, names: ForkNames, fork: KeptFork): DatabaseMove {
  const { credentials, ca } = secretsOf(site);
  return {
    host: `${fork.host}:${fork.port}`,
    secrets: {
      ...(ca === null ? {} : { [ca.name]: names.ca }),
      [credentials]: names.credentials,
    },
  };
}

/** Keeps what the Deployment says now. @throws PreconditionFailed when pods do not take their database from there */
async function keepOld(
  k: KubernetesClients,
  { site, operationId, ...input }: ChangeInput,
  deployment: V1Deployment,
  fork: KeptFork,
  move: DatabaseMove,
): Promise<KeptFork> {
  const template = deployment.spec?.template as V1PodTemplateSpec;
  const { hosts, named } = movedTemplate(template, move);
  const { credentials } = secretsOf(site);
  const where = `Deployment ${site.cluster.namespace}/${site.cluster.deployment}`;
  if (hosts.length === 0) {
    throw failure('PreconditionFailed', `${where} sets no WORDPRESS_DB_HOST that could be moved`);
  }
  if (!named.includes(credentials)) {
    throw failure('PreconditionFailed', `${where} does not name the Secret ${credentials}`);
  }
  const kept = { ...fork, move: { ...move, hosts } };
  const names = namesOf({ site, operationId, ...input });
  await writeKept(k, site, operationId, names, kept);
  return kept;
}

/** Copies of the Secrets that pods use, with the fork's values in them. */
async function copySecrets(
  k: KubernetesClients,
  site: Site,
  operationId: string,
  fork: KeptFork,
): Promise<void> {
  const { credentials, ca } = secretsOf(site);
  for (const [from, to] of Object.entries(fork.move?.secrets ?? {})) {
    const before = await readSecret(k, site, from);
    if (before === null) {
      throw failure('SecretMissing', `There is no Secret ${site.cluster.namespace}/${from}`);
    }
    const values = { ...before };
    if (from === credentials) Object.assign(values, fork.account);
    // Whoever else uses this file goes on trusting the authority of before.
    if (from === ca?.name) values[ca.key] = bundle(fork.ca, before[ca.key] ?? '');
    await writeSecret(k, site, operationId, to, values);
  }
}

/** PEM certificates of both, each once. */
function bundle(first: string, second: string): string {
  const certificates = `${first}\n${second}`.match(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g,
  );
  return `${[...new Set(certificates ?? [])].join('\n')}\n`;
}

/** Replaces the Deployment's template where that changes anything. */
async function rollTo(
  k: KubernetesClients,
  site: Site,
  change: (template: V1PodTemplateSpec) => V1PodTemplateSpec,
): Promise<void> {
  const deployment = await requireDeployment(k, site);
  const template = deployment.spec?.template as V1PodTemplateSpec;
  const wanted = change(template);
  if (JSON.stringify(wanted) === JSON.stringify(template)) return;
  await replace(k, {
    ...deployment,
    spec: { ...(deployment.spec as NonNullable<V1Deployment['spec']>), template: wanted },
  });
}

/**
 * Waits until new pods alone are left, those that end included: a request that is under way in one of them still needs the
 * database that the others have left. Gives the pods' names.
 */
async function awaitRolled(k: KubernetesClients, site: Site): Promise<string[]> {
  const settled = await awaitSettled(k, site);
  return waitUntil<string[]>({
    what: 'pods of the template of before are gone',
    timeoutMs: 300_000,
    onTimeout: 'RolloutStuck',
    check: async () => {
      const pods = await listPods(k, site, selectorOf(settled));
      const ending = pods.filter(({ terminating }) => terminating).map(({ name }) => name);
      return ending.length === 0
        ? { done: pods.map(({ name }) => name) }
        : { missing: `${ending.join(', ')} end` };
    },
  });
}

/** Lines of the site file that must follow; none of them is a secret. */
function siteFileLines(site: Site, names: ForkNames, fork: KeptFork): Record<string, string> {
  const { ca } = secretsOf(site);
  const inNamespace = (name: string) => `kubernetes:${site.cluster.namespace}/${name}`;
  return {
    'database.host': fork.host,
    'database.port': String(fork.port),
    'database.credentials': inNamespace(names.credentials),
    ...(ca === null ? {} : { 'database.ca': `${inNamespace(names.ca)}#${ca.key}` }),
    ...(fork.administrator === null
      ? {}
      : { 'database.adminCredentials': inNamespace(names.secret) }),
    'database.managed.clusterId': fork.clusterId,
  };
}
