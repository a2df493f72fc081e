import type { V1Pod } from '@kubernetes/client-node';
import { ROLE_LABEL } from '../../domain/kubernetes/names.ts';
import { copyName } from '../../domain/recovery/drill-objects.ts';
import { sealFolder } from '../../domain/recovery/drill-template.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { Site } from '../../domain/site/schema.ts';
import { cancellationSignal } from '../activity-context.ts';
import type { DrillPlace } from '../contracts.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { calling } from '../kubernetes/errors.ts';
import { agentAnswer, agentCode, type AgentOperation } from '../wordpress/agent.ts';

/** The site as its copy is: another namespace and another host. */
export function copyOf(site: Site, place: DrillPlace): Site {
  return {
    ...site,
    cluster: { ...site.cluster, namespace: place.namespace },
    hosts: { ...site.hosts, names: [place.host] },
  };
}

/**
 * One operation of the WordPress agent in the copy. The seal comes first, as it does for every request: without it the
 * copy's PHP could speak to the live site's database.
 *
 * @throws AgentFailed, Unavailable
 */
export async function askCopy(
  k: KubernetesClients,
  site: Site,
  place: DrillPlace,
  operation: AgentOperation,
  args: JsonObject = {},
): Promise<Json> {
  const pod = await copyPod(k, place);
  const where = `${place.namespace}/${pod.metadata?.name}`;
  const code = `require '${sealFolder}/seal.php';\n${agentCode(copyOf(site, place), operation, args)}`;
  const length = Buffer.byteLength(code);
  const { stdout, stderr, exitCode } = await k.execInPod({
    namespace: place.namespace,
    pod: pod.metadata?.name ?? '',
    container: site.cluster.container,
    // PHP reads a counted number of bytes: not every exec connection can end its standard input.
    command: [
      'php',
      '-d',
      'opcache.enable_cli=0',
      '-r',
      `eval(stream_get_contents(STDIN, ${length}));`,
    ],
    stdin: code,
    // All rows of a large database are gone through.
    timeoutMs: 2 * 3_600_000,
    signal: cancellationSignal(),
  });
  if (stdout.trim() === '') {
    const reason = stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
    throw failure('AgentFailed', `The WordPress agent in ${where}: status ${exitCode} ${reason}`);
  }
  return agentAnswer(stdout, where);
}

/** The copy's pod, the newest that is not ending. @throws Unavailable when there is none now */
export async function copyPod(k: KubernetesClients, place: DrillPlace): Promise<V1Pod> {
  const pod = await findCopyPod(k, place);
  if (pod === null) throw failure('Unavailable', `The copy in ${place.namespace} has no pod`);
  return pod;
}

export async function findCopyPod(k: KubernetesClients, place: DrillPlace): Promise<V1Pod | null> {
  const { items } = await calling('list', `pods in ${place.namespace}`, () =>
    k.core.listNamespacedPod({
      namespace: place.namespace,
      labelSelector: `${ROLE_LABEL}=${copyName}`,
    }),
  );
  const live = items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  return live.at(-1) ?? null;
}
