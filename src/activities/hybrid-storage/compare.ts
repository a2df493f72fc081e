import { oldVolumeOf } from '../../domain/kubernetes/layout.ts';
import { hybridConstants } from '../../domain/kubernetes/config-extra.ts';
import type { Site } from '../../domain/site/schema.ts';
import { heartbeat } from '../activity-context.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';
import { newNonce } from '../wordpress/agent.ts';
import { requireDeployment, selectorOf } from '../kubernetes/site-objects.ts';
import { copyAndNote } from './copy.ts';
import type { HybridStorageDeps } from './deps.ts';
import { extensionFolders } from './observe.ts';

/** An old and a new pod that stand side by side. */
export interface PodPair {
  old: string;
  new: string;
}

/**
 * Compares plugins and themes in the old and the new pod. Where somebody changed them since the copy, they are copied
 * once more.
 * @throws ExtensionsDiffer when they differ even then.
 */
export async function sameExtensions(
  deps: HybridStorageDeps,
  k: KubernetesClients,
  site: Site,
  pods: PodPair,
  operationId: string,
  options: { sameNode: boolean; chown: boolean },
): Promise<{ recopied: boolean; plugins: string; themes: string }> {
  let digests = await digestsOf(deps, site, pods);
  let recopied = false;
  if (digests.differing.length > 0) {
    heartbeat(`${digests.differing.join(' and ')} differ: copying again`);
    const deployment = await requireDeployment(k, site);
    const old = oldVolumeOf(deployment.spec?.template ?? {}, site.wordpress.documentRoot);
    if (old === null) throw failure('PreconditionFailed', 'The template names no old volume');
    await copyAndNote(k, site, {
      operationId,
      old,
      sameNodeAs: options.sameNode ? selectorOf(deployment) : null,
      attempt: 1,
      chown: options.chown,
    });
    recopied = true;
    digests = await digestsOf(deps, site, pods);
  }
  if (digests.differing.length > 0) {
    const paths = await differingPaths(deps, site, pods, digests.differing);
    throw failure(
      'ExtensionsDiffer',
      `Old and new pods hold different files after a second copy too: ${paths.slice(0, 5).join(', ')}`,
    );
  }
  return { recopied, plugins: digests.plugins, themes: digests.themes };
}

async function digestsOf(deps: HybridStorageDeps, site: Site, pods: PodPair) {
  const folders = [...extensionFolders];
  const [before, after] = await Promise.all([
    deps.agent.treeDigests(site, pods.old, folders),
    deps.agent.treeDigests(site, pods.new, folders),
  ]);
  return {
    differing: folders.filter((folder) => before[folder]?.digest !== after[folder]?.digest),
    plugins: after[extensionFolders[0]]?.digest ?? '',
    themes: after[extensionFolders[1]]?.digest ?? '',
  };
}

async function differingPaths(
  deps: HybridStorageDeps,
  site: Site,
  pods: PodPair,
  folders: string[],
): Promise<string[]> {
  const paths: string[] = [];
  for (const folder of folders) {
    const [before, after] = (await Promise.all([
      deps.agent.run(site, pods.old, 'tree-manifest', { folder }),
      deps.agent.run(site, pods.new, 'tree-manifest', { folder }),
    ])) as [Record<string, string>, Record<string, string>];
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    for (const name of names) if (before[name] !== after[name]) paths.push(`${folder}/${name}`);
  }
  return paths;
}

/**
 * Compares WordPress itself in the old and the new pod: same site, same database, same logins, same active plugins, and
 * every constant of the old wp-config.php with the same value, but for those that phase 1 sets.
 * @throws SiteBroken that names what differs; no value is told.
 */
export async function sameSite(deps: HybridStorageDeps, site: Site, pods: PodPair): Promise<void> {
  const nonce = newNonce();
  const before = await deps.agent.facts(site, pods.old, { nonce, constants: [] });
  const names = Object.keys(before.configHashes);
  const after = await deps.agent.facts(site, pods.new, { nonce, constants: names });
  const differs: string[] = [];
  if (before.siteUrl !== after.siteUrl) differs.push('the site URL');
  if (before.tablePrefix !== after.tablePrefix) differs.push('the table prefix');
  if (before.saltsFingerprint !== after.saltsFingerprint) differs.push('keys and salts');
  if (before.activePlugins.join() !== after.activePlugins.join()) differs.push('active plugins');
  const ours = new Set(Object.keys(hybridConstants({ fsMethodDirect: true })));
  for (const name of names) {
    if (ours.has(name) || before.configHashes[name] === after.configHashes[name]) continue;
    differs.push(
      `constant ${name} (${name in after.configHashes ? 'another value' : 'not defined'})`,
    );
  }
  if (differs.length > 0) {
    throw failure(
      'SiteBroken',
      `New pods see another site than old ones: ${differs.join(', ')}. Visitors are still on the old pods.`,
    );
  }
}
