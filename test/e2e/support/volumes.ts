/** Volumes of the sandbox as the node sees them. */
import { join } from 'node:path';
import { createDaemons } from '../../../deploy/sandbox/daemons.ts';
import { paths } from '../../../deploy/sandbox/settings.ts';
import { kubectl, kubectlJson, readyPods, succeed } from './platform.ts';

async function inNode(command: string, ...args: string[]): Promise<string> {
  const daemons = createDaemons({ stateDir: paths.state, pidDir: paths.pids, logDir: paths.logs });
  return succeed(...(await daemons.inNode(command, args)));
}

/** The Deployment makes new pods one after the other, which mount the volume as it is on the node now. */
async function replacePods(): Promise<void> {
  for (const { metadata } of await readyPods()) {
    await kubectl(['delete', 'pod', metadata.name, '-n', 'acme', '--wait=true']);
    await kubectl(['rollout', 'status', 'deployment/wordpress', '-n', 'acme', '--timeout=180s']);
  }
}

export interface LimitedVolume {
  /** @param mebibytes so much more fits from now on */
  grow(mebibytes: number): Promise<void>;
  /** Gives the pods the volume back as it was before it was limited, without what was written since. */
  restore(): Promise<void>;
}

/**
 * Puts a file system of a fixed size in the place of a claim's volume in acme, with the volume's files in it: the sandbox's
 * own volumes are folders of the machine's disk, which nobody wants full.
 *
 * @param room mebibytes that are free on it
 */
export async function limitVolume(claim: string, room: number): Promise<LimitedVolume> {
  const { spec } = await kubectlJson<{ spec: { volumeName: string } }>([
    'get',
    'pvc',
    claim,
    '-n',
    'acme',
  ]);
  const folder = join(paths.state, 'volumes/volumes', spec.volumeName);
  const whole = `${folder}.whole`;
  const used = Number.parseInt(await inNode('du', '-sm', folder), 10);
  // A new folder: a mount on the old one would show in the mounts of running pods, and go with them.
  await inNode('mv', folder, whole);
  await inNode('mkdir', folder);
  await inNode('mount', '-t', 'tmpfs', '-o', `size=${used + room}m`, 'limited', folder);
  await inNode('cp', '-a', `${whole}/.`, folder);
  await replacePods();
  return {
    async grow(mebibytes) {
      await inNode('mount', '-o', `remount,size=${used + room + mebibytes}m`, folder);
    },
    async restore() {
      await inNode('umount', folder);
      await inNode('rmdir', folder);
      await inNode('mv', whole, folder);
      await replacePods();
    },
  };
}
