import { endpoints } from '../settings.ts';

export type ImageName = 'wordpress' | 'toolbox' | 'pause';

export interface ImageDefinition {
  name: ImageName;
  tag: string;
  /** Paths below deploy/images that go into it. */
  sources: string[];
}

/** In the order in which they are built: what the first pods need comes first. */
export const images: readonly ImageDefinition[] = [
  { name: 'pause', tag: '1', sources: ['pause', 'shared/install.sh'] },
  { name: 'wordpress', tag: '6.8.12', sources: ['wordpress', 'shared'] },
  { name: 'toolbox', tag: '1', sources: ['toolbox', 'shared'] },
];

/** Name under which the cluster pulls an image: `localhost:5000/presslift/wordpress:6.8.12`. */
export function imageReference(name: ImageName): string {
  const { tag } = images.find((image) => image.name === name)!;
  return `${endpoints.registry}/presslift/${name}:${tag}`;
}
