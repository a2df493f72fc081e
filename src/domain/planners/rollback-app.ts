import type {
  V1ConfigMap,
  V1Container,
  V1Deployment,
  V1PodTemplateSpec,
} from '@kubernetes/client-node';
import { digestOf } from '../digest.ts';
import type { Json } from '../json.ts';
import { plain } from '../kubernetes/plain.ts';
import { redactTemplate } from '../kubernetes/redact.ts';
import type { AppPart } from '../recovery/point.ts';
import { withoutRestarts, type AppFacts } from './rollback-facts.ts';

/** The Deployment as the point has it, as far as a rollback puts it back. */
export interface DesiredApp {
  template: V1PodTemplateSpec;
  replicas: number;
  /** The point's ConfigMap where the live one says something else; null when it stays. */
  configMap: V1ConfigMap | null;
  /** Images that are named by digest, because nothing proves that their tag means them still. */
  pinned: Record<string, string>;
}

/**
 * Template and ConfigMap of the point. An image is named by its digest unless pods prove that its tag still means it: a tag
 * that was pushed again would bring something else. The number of replicas stays, unless there are none.
 *
 * @param live null where the Deployment is gone.
 * @param approved images by digest that a person approved; worked out when absent.
 */
export function desiredApp(
  live: V1Deployment | null,
  part: AppPart,
  facts: AppFacts,
  approved?: Record<string, string>,
): DesiredApp | null {
  const before = facts.objects?.deployment?.spec;
  if (before === undefined || facts.objects === null) return null;
  const template = plain(withoutRestarts(before.template));
  const pinned: Record<string, string> = {};
  const pin = (container: V1Container): V1Container => {
    const { name, image = '' } = container;
    if (approved !== undefined) {
      const named = approved[name];
      if (named === undefined) return container;
      pinned[name] = named;
      return { ...container, image: named };
    }
    const then = digestIn(part.images[name]);
    // A tag says nothing, unless pods that run it now have that very image.
    const ofTag = facts.running.filter((one) => one.container === name && one.image === image);
    const proved = ofTag.length > 0 && ofTag.every(({ digest }) => digest === then);
    if (then === null || image.includes('@') || proved) return container;
    pinned[name] = `${repositoryOf(image)}@${then}`;
    return { ...container, image: pinned[name] };
  };
  if (template.spec !== undefined) {
    template.spec.containers = template.spec.containers.map(pin);
    if (template.spec.initContainers !== undefined) {
      template.spec.initContainers = template.spec.initContainers.map(pin);
    }
  }
  const wanted = facts.objects.configMap;
  const sameMap =
    wanted === null || digestOf(wanted.data ?? {}) === digestOf(facts.configMap?.data ?? {});
  return {
    template,
    replicas: (live === null ? 0 : (live.spec?.replicas ?? 1)) || (before.replicas ?? 1) || 1,
    configMap: sameMap ? null : wanted,
    pinned,
  };
}

/** Digest by container of the point's images, as far as the point knows them. */
export function digestsOf({ images }: AppPart): Record<string, string> {
  return Object.fromEntries(
    Object.entries(images).flatMap(([name, image]) => {
      const digest = digestIn(image);
      return digest === null ? [] : [[name, digest]];
    }),
  );
}

/** Whether anything of the live Deployment differs from what is wanted. */
export function appDiffers(live: V1Deployment | null, desired: DesiredApp): boolean {
  const template = live?.spec?.template;
  return (
    live === null ||
    desired.configMap !== null ||
    (live.spec?.replicas ?? 1) !== desired.replicas ||
    template === undefined ||
    digestOf(plain(withoutRestarts(template))) !== digestOf(desired.template)
  );
}

/** The Deployment as a plan shows it; null where it is gone. */
export function liveAppShown(live: V1Deployment | null): Json {
  if (live === null) return null;
  const { template, replicas } = live.spec ?? {};
  return shown(template === undefined ? {} : withoutRestarts(template), replicas ?? 1);
}

/** What it becomes; `restoreApp` computes it again from the real objects and compares. */
export function desiredAppShown(desired: DesiredApp): Json {
  return {
    ...(shown(desired.template, desired.replicas) as Record<string, Json>),
    ...(desired.configMap !== null && {
      configMap: {
        name: desired.configMap.metadata?.name ?? '',
        digest: digestOf(desired.configMap.data ?? {}),
      },
    }),
  };
}

function shown(template: V1PodTemplateSpec, replicas: number): Json {
  const images = Object.fromEntries(
    containersOf(template).map(({ name, image }) => [name, image ?? '']),
  );
  return plain({ images, replicas, template: redactTemplate(template) }) as unknown as Json;
}

/** Containers of a template or of a pod, those that run at its start first. */
export function containersOf(template: Pick<V1PodTemplateSpec, 'spec'> | undefined): V1Container[] {
  return [...(template?.spec?.initContainers ?? []), ...(template?.spec?.containers ?? [])];
}

/** `sha256:…` of an image reference, or null when it names none. */
export function digestIn(image: string | undefined): string | null {
  return /sha256:[0-9a-f]{64}$/.exec(image ?? '')?.[0] ?? null;
}

/** `localhost:5000/presslift/wordpress` of a reference with tag, digest or both. */
function repositoryOf(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/:]+$/, '');
}
