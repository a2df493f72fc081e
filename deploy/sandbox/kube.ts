/** The sandbox's cluster, seen by its administrator. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesObject } from '@kubernetes/client-node';
import { KubeConfig } from '@kubernetes/client-node';
import { parseAllDocuments } from 'yaml';
import { runCommand } from './command.ts';
import { KubernetesError, kubernetesRequests } from './kube-request.ts';
import { paths } from './settings.ts';

/** Owner of the fields that the sandbox sets by server-side apply. */
const fieldManager = 'presslift-sandbox';

/** Linked by the engine. */
const kubectlFile = join(paths.state, 'bin', 'kubectl');

export interface SandboxKube {
  /** For clients of one's own. */
  config: KubeConfig;
  /**
   * Server-side apply, taking over fields that others hold. Namespaces and CustomResourceDefinitions go first, and a
   * definition is waited for until the API server serves it. Returns what the API server answered.
   */
  apply: (objects: readonly KubernetesObject[] | string) => Promise<KubernetesObject[]>;
  /** GET of an API path, as JSON. Rejects with `KubernetesError`. */
  get: <T>(path: string) => Promise<T>;
  /** Runs kubectl as the administrator and returns its standard output. */
  kubectl: (args: readonly string[], input?: string) => Promise<string>;
  /** Asks again and again; an error of `check` counts as "not yet" and is told when the time is up. */
  waitFor: (check: () => Promise<boolean>, what: string, timeoutMs: number) => Promise<void>;
}

/** An object with the usual list of conditions. */
export interface ConditionedObject extends KubernetesObject {
  status?: { conditions?: { type: string; status: string; lastHeartbeatTime?: string }[] };
}

/** Clients of the sandbox's cluster. Rejects when there is no cluster yet. */
export async function kube(): Promise<SandboxKube> {
  if (!existsSync(paths.adminKubeconfig)) {
    throw new Error('The sandbox has no cluster yet: presslift sandbox up');
  }
  const config = new KubeConfig();
  config.loadFromFile(paths.adminKubeconfig);
  const requests = kubernetesRequests(config);

  async function apply(input: readonly KubernetesObject[] | string): Promise<KubernetesObject[]> {
    const all = typeof input === 'string' ? parseObjects(input) : input;
    const applied: KubernetesObject[] = [];
    for (const stage of [0, 1, 2]) {
      const answers = await Promise.all(
        all.filter((object) => stageOf(object) === stage).map(applyUntilServed),
      );
      const definitions = answers.filter(({ kind }) => kind === 'CustomResourceDefinition');
      await Promise.all(definitions.map(waitUntilEstablished));
      applied.push(...answers);
    }
    return applied;
  }

  /**
   * Tries again while the API server does not know the kind yet (its definition is seconds old), and while a webhook
   * or an aggregated API behind it comes up.
   */
  async function applyUntilServed(object: KubernetesObject): Promise<KubernetesObject> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      try {
        return await requests.apply(object, fieldManager);
      } catch (error) {
        const passing = error instanceof KubernetesError && [404, 500, 503].includes(error.code);
        if (passing && Date.now() < deadline) {
          await sleep(250);
          continue;
        }
        const { kind, metadata } = object;
        const what = [metadata?.namespace, metadata?.name].filter(Boolean).join('/');
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`Applying ${kind} ${what} failed: ${reason}`, { cause: error });
      }
    }
  }

  async function waitUntilEstablished({ metadata }: KubernetesObject): Promise<void> {
    const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata!.name}`;
    const isEstablished = async (): Promise<boolean> =>
      hasCondition(await requests.get(path), 'Established');
    await waitFor(isEstablished, `custom resource definition ${metadata!.name}`, 120_000);
  }

  async function kubectl(args: readonly string[], input?: string): Promise<string> {
    const global = ['--kubeconfig', paths.adminKubeconfig];
    const { stdout } = await runCommand(kubectlFile, [...global, ...args], { input });
    return stdout;
  }

  return { config, apply, get: requests.get, kubectl, waitFor };
}

/** Whether `status.conditions` has the type with status True. */
export function hasCondition(object: ConditionedObject, type: string): boolean {
  const conditions = object.status?.conditions ?? [];
  return conditions.some((condition) => condition.type === type && condition.status === 'True');
}

/** Objects of a YAML text with any number of documents; lists are unfolded, empty documents left out. */
export function parseObjects(yaml: string): KubernetesObject[] {
  return parseAllDocuments(yaml).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    const object = document.toJS() as (KubernetesObject & { items?: KubernetesObject[] }) | null;
    if (object === null) return [];
    return object.kind === 'List' ? (object.items ?? []) : [object];
  });
}

/** Asks until `check` says yes. Rejects with the last reason when the time is up. */
export async function waitFor(
  check: () => Promise<boolean>,
  what: string,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let reason = '';
    try {
      if (await check()) return;
    } catch (error) {
      reason = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (Date.now() > deadline) {
      throw new Error(`Waited ${Math.round(timeoutMs / 1000)} s in vain for ${what}${reason}`);
    }
    await sleep(150);
  }
}

function stageOf({ kind }: KubernetesObject): number {
  if (kind === 'Namespace') return 0;
  return kind === 'CustomResourceDefinition' ? 1 : 2;
}
