/** Builds the images that the pods run and puts them into the registry. */
import { buildImages } from '../build/images.ts';
import type { BuiltImage } from '../build/images.ts';
import { imageReference, images as catalogue } from '../build/image-catalogue.ts';
import { selectedBuilder } from '../build/image-builder.ts';
import type { Component, ComponentContext } from '../component.ts';
import { endpoints, network, paths, ports } from '../settings.ts';

/** By address: `localhost` may mean another one first. */
const registryAddress = `${network.loopback}:${ports.registry}`;

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** Digest of what the registry has under a reference; undefined when it has nothing. */
export async function pushedDigest(reference: string): Promise<string | undefined> {
  const [name, tag] = reference.replace(`${endpoints.registry}/`, '').split(':');
  const answer = await fetch(`http://${registryAddress}/v2/${name}/manifests/${tag}`, {
    method: 'HEAD',
    headers: { Accept: manifestType },
    signal: AbortSignal.timeout(5_000),
  });
  return answer.ok ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined;
}

async function push({ reference, archive }: BuiltImage, context: ComponentContext): Promise<void> {
  const target = reference.replace(endpoints.registry, registryAddress);
  const args = ['--quiet', '--preserve-digests', '--dest-tls-verify=false'];
  await context.run('skopeo', ['copy', ...args, `oci-archive:${archive}`, `docker://${target}`], {
    timeoutMs: 300_000,
  });
}

async function built(context: ComponentContext): Promise<BuiltImage[]> {
  const onProgress = ({
    name,
    state,
    done,
    total,
  }: {
    name: string;
    state: string;
    done: number;
    total: number;
  }) => context.progress(`${name} ${state} (${done} of ${total})`);
  const byName = await buildImages({ cacheDir: paths.cache, signal: context.signal, onProgress });
  return Object.values(byName);
}

export const images: Component = {
  name: 'images',
  title: 'Container images',
  needs: ['registry'],
  get packages() {
    const builder = selectedBuilder();
    // Docker does not come from a Debian package everywhere; it is the user's own.
    const own = builder === 'docker' ? [] : [builder];
    return [...own, 'debian-archive-keyring', 'debootstrap', 'skopeo'];
  },
  async build(context) {
    await built(context);
  },
  async start(context) {
    for (const image of await built(context)) {
      if ((await pushedDigest(image.reference)) === image.digest) continue;
      context.progress(`pushing ${image.name}`);
      await push(image, context);
    }
  },
  async ready() {
    const digests = await Promise.all(
      catalogue.map(({ name }) => pushedDigest(imageReference(name))),
    );
    return digests.every((digest) => digest !== undefined);
  },
  stop: async () => undefined,
};
