import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { digestOf } from '../../domain/digest.ts';
import { selectorText } from '../../domain/kubernetes/rollout.ts';
import type { AppPart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { BackupActivities } from '../contracts.ts';
import { requireDeployment, selectorOf } from '../kubernetes/site-objects.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { calling } from '../kubernetes/errors.ts';
import { siteCluster } from '../recovery/deps.ts';
import type { BackupDeps } from './deps.ts';

/** `describeApp`: the Deployment as it runs. */
export function createAppActivities(deps: BackupDeps): Pick<BackupActivities, 'describeApp'> {
  return {
    async describeApp({ site, objectsSecret }): Promise<AppPart> {
      const k = siteCluster(deps, site);
      const deployment = await requireDeployment(k, site);
      const template = deployment.spec?.template ?? {};
      return {
        deployment: site.cluster.deployment,
        replicas: deployment.spec?.replicas ?? 1,
        images: await imagesOf(k, site, template, selectorOf(deployment)),
        templateDigest: digestOf(template),
        configMaps: configMapsOf(template),
        secrets: secretsOf(template).map((name) => `${site.cluster.namespace}/${name}`),
        objectsSecret,
      };
    },
  };
}

/** The image of each container; with its digest where a pod that runs it tells. */
async function imagesOf(
  k: KubernetesClients,
  site: Site,
  template: V1PodTemplateSpec,
  selector: Record<string, string>,
): Promise<Record<string, string>> {
  const { namespace } = site.cluster;
  const pods = await calling('list', `pods in ${namespace}`, () =>
    k.core.listNamespacedPod({ namespace, labelSelector: selectorText(selector) }),
  );
  const running = pods.items.flatMap(({ spec, status }) =>
    [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].map(
      ({ name, imageID }) => ({
        name,
        image: containersOf(spec).find((one) => one.name === name)?.image,
        digest: /@(sha256:[0-9a-f]{64})$/.exec(imageID)?.[1],
      }),
    ),
  );
  return Object.fromEntries(
    containersOf(template.spec).map(({ name, image = '' }) => {
      const found = running.find((one) => one.name === name && one.image === image && one.digest);
      const pinned = image.includes('@') || found?.digest === undefined;
      return [name, pinned ? image : `${image}@${found.digest}`];
    }),
  );
}

const containersOf = (spec: V1PodTemplateSpec['spec']) => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];

/** Names of the ConfigMaps that pods of the template read. */
export function configMapsOf(template: V1PodTemplateSpec): string[] {
  return namesIn(template, {
    env: ({ valueFrom }) => valueFrom?.configMapKeyRef?.name,
    envFrom: ({ configMapRef }) => configMapRef?.name,
    volume: ({ configMap, projected }) => [
      configMap?.name,
      ...(projected?.sources ?? []).map((source) => source.configMap?.name),
    ],
  });
}

/** Names of the Secrets that pods of the template read. */
export function secretsOf(template: V1PodTemplateSpec): string[] {
  const found = namesIn(template, {
    env: ({ valueFrom }) => valueFrom?.secretKeyRef?.name,
    envFrom: ({ secretRef }) => secretRef?.name,
    volume: ({ secret, projected }) => [
      secret?.secretName,
      ...(projected?.sources ?? []).map((source) => source.secret?.name),
    ],
  });
  const pulls = (template.spec?.imagePullSecrets ?? []).flatMap(({ name }) => name ?? []);
  return [...new Set([...found, ...pulls])].sort();
}

type Spec = NonNullable<V1PodTemplateSpec['spec']>;
type Container = Spec['containers'][number];

function namesIn(
  { spec }: V1PodTemplateSpec,
  read: {
    env(env: NonNullable<Container['env']>[number]): string | undefined;
    envFrom(source: NonNullable<Container['envFrom']>[number]): string | undefined;
    volume(volume: NonNullable<Spec['volumes']>[number]): (string | undefined)[];
  },
): string[] {
  const names = [
    ...containersOf(spec).flatMap(({ env = [], envFrom = [] }) => [
      ...env.map((one) => read.env(one)),
      ...envFrom.map((one) => read.envFrom(one)),
    ]),
    ...(spec?.volumes ?? []).flatMap((one) => read.volume(one)),
  ];
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}
