import type { Json } from '../json.ts';
import { httpContainer } from '../kubernetes/layout.ts';
import { hybridNames } from '../kubernetes/names.ts';
import { plain } from '../kubernetes/plain.ts';
import { sharedClass } from '../kubernetes/shared-claim.ts';
import type { Finding, FindingLevel } from '../plan.ts';
import type { Site } from '../site/schema.ts';
import type { HybridStorageFacts } from './hybrid-storage-facts.ts';
import type { HybridSituation } from './hybrid-storage-situation.ts';

/** Native sidecars are on from 1.29, the preStop action `sleep` from 1.30. */
const oldestKubernetes = { major: 1, minor: 30 };

/**
 * What a person should know before approving phase 1. Errors forbid going on.
 *
 * @param situation null when Deployment or Service is missing.
 */
export function hybridFindings(
  site: Site,
  facts: HybridStorageFacts,
  situation: HybridSituation | null,
): Finding[] {
  const found = [
    ...clusterFindings(site, facts),
    ...(situation === null ? [] : templateFindings(situation)),
    ...(situation === null ? [] : storageFindings(situation)),
    ...(situation === null || situation.served ? [] : contentFindings(facts)),
  ];
  return found.map(([level, id, message, advice, evidence]) => ({
    id,
    level,
    message,
    advice: advice ?? null,
    evidence: plain(evidence ?? null),
  }));
}

type Row = [
  level: FindingLevel,
  id: string,
  message: string,
  advice?: string | null,
  evidence?: Json,
];

function clusterFindings(site: Site, facts: HybridStorageFacts): Row[] {
  const { namespace, deployment, service } = site.cluster;
  const rows: Row[] = [];
  const { major, minor } = facts.kubernetes;
  if (major * 1000 + minor < oldestKubernetes.major * 1000 + oldestKubernetes.minor) {
    rows.push([
      'error',
      'kubernetes-too-old',
      `Kubernetes ${major}.${minor} lacks native sidecars or the preStop action sleep.`,
      'Upgrade the cluster to 1.30 or newer.',
      facts.kubernetes,
    ]);
  }
  if (facts.deployment === null) {
    rows.push([
      'error',
      'deployment-missing',
      `There is no Deployment ${namespace}/${deployment}.`,
      'Correct cluster.namespace and cluster.deployment in the site file.',
    ]);
  }
  if (facts.service === null) {
    rows.push([
      'error',
      'service-missing',
      `There is no Service ${namespace}/${service}.`,
      'Correct cluster.service in the site file.',
    ]);
  }
  if (facts.autoscalers.length > 0) {
    rows.push([
      'warning',
      'autoscaler',
      'An autoscaler changes the number of pods too, also while phase 1 runs.',
      `Set its minReplicas to ${site.wordpress.replicas} or more after phase 1, and pause it meanwhile.`,
      facts.autoscalers,
    ]);
  }
  if (facts.disruptionBudgets.length > 1) {
    rows.push([
      'error',
      'several-disruption-budgets',
      'More than one PodDisruptionBudget selects the pods: Kubernetes then refuses every eviction.',
      'Keep one of them.',
      facts.disruptionBudgets.map(({ metadata }) => metadata?.name ?? ''),
    ]);
  }
  if (facts.templateManagers.length > 0) {
    rows.push([
      'warning',
      'template-managed-elsewhere',
      'The Deployment is also applied from another place, which would put the old template back.',
      'Pause that until the new template stands in its source.',
      facts.templateManagers,
    ]);
  }
  if (facts.otherServices.length > 0) {
    rows.push([
      'warning',
      'other-services',
      'Further Services select the pods; their clients are not drained before old pods end.',
      'Check that nobody but monitoring uses them.',
      facts.otherServices,
    ]);
  }
  return rows;
}

function templateFindings(situation: HybridSituation): Row[] {
  const { site, facts, layout, served, spec } = situation;
  const rows: Row[] = [];
  if (layout.kind === 'unknown') {
    rows.push([
      'error',
      'unknown-layout',
      `Phase 1 starts from a document root on one claim, but ${layout.why}.`,
      'Check wordpress.documentRoot in the site file; other layouts need a person.',
    ]);
  }
  if (layout.kind === 'docroot-claim') {
    if (!layout.containers.includes(site.cluster.container)) {
      rows.push([
        'error',
        'container-missing',
        `No container ${site.cluster.container} mounts the document root.`,
        'Correct cluster.container in the site file.',
        layout.containers,
      ]);
    }
    if (served) {
      rows.push([
        'error',
        'template-put-back',
        'The Service selects the pods of phase 1, but the Deployment has its old template again: visitors reach nothing.',
        'Somebody put the old template back. Put back the other one, or remove the track label from the selector.',
      ]);
    }
    if (layout.initContainers.length > 0) {
      rows.push([
        'warning',
        'init-containers-dropped',
        'Init containers that prepare the document root are left out of the new template.',
        'Check that they do nothing besides.',
        layout.initContainers,
      ]);
    }
    if (httpContainer(spec.template, situation.templateOptions.servicePort) === null) {
      rows.push([
        'warning',
        'http-container-unknown',
        'It is not clear which container answers visitors, so none gets probes and a preStop pause.',
        "Name the Service's target port among one container's ports.",
      ]);
    }
  }
  if (facts.extra.source === 'Secret') {
    rows.push([
      'error',
      'configuration-in-secret',
      'WORDPRESS_CONFIG_EXTRA comes from a Secret; carried over it would stand in a ConfigMap for all to read.',
      'Move the code to a ConfigMap, and keep only single values in Secrets.',
    ]);
  }
  if (facts.wordpress === null) {
    rows.push([
      'error',
      'wordpress-silent',
      'WordPress answers in no pod, so its plugins, salts and settings are not known.',
      `Look at the pods of ${site.cluster.namespace}/${site.cluster.deployment}.`,
      facts.wordpressError,
    ]);
  }
  if (facts.wordpress?.multisite) {
    rows.push([
      'warning',
      'multisite',
      'This is a multisite network: plugins that are active for the whole network are not compared.',
    ]);
  }
  return rows;
}

function storageFindings(situation: HybridSituation): Row[] {
  const { site, facts, layout, sameNode, served } = situation;
  const rows: Row[] = [];
  const name = sharedClass(site) ?? facts.storageClasses.find(({ isDefault }) => isDefault)?.name;
  const exists = facts.storageClasses.some((one) => one.name === name);
  const comes = site.storage.provisioner !== undefined && !exists;
  if (facts.sharedClaim === null && !exists && !comes) {
    rows.push([
      'error',
      'storage-class-missing',
      name === undefined
        ? 'The site names no storage class and the cluster has no default one.'
        : `There is no storage class ${name}.`,
      'Name one that can share volumes, or ask for storage.provisioner.',
      facts.storageClasses.map((one) => one.name),
    ]);
  }
  if (comes) {
    rows.push([
      'warning',
      'storage-not-proved',
      'The storage that this plan installs is proved to be shared only after it is installed, before anything uses it.',
      null,
    ]);
  }
  const modes = facts.sharedClaim?.spec?.accessModes;
  if (modes !== undefined && !modes.includes('ReadWriteMany')) {
    rows.push([
      'error',
      'claim-not-shared',
      `The claim ${hybridNames(site).sharedClaim} exists and cannot be shared.`,
      'Give storage.sharedClaim another name, or remove that claim if nobody needs it.',
      modes,
    ]);
  }
  const { proof } = facts;
  if (proof !== null && !proof.shared) {
    rows.push([
      'error',
      'storage-not-shared',
      `Two pods could not share a volume of class ${name}: ${proof.why ?? 'neither read what the other wrote'}.`,
      'Name a class that can, or ask for storage.provisioner.',
      plain(proof) as unknown as Json,
    ]);
  }
  if (proof !== null && proof.shared && !proof.chown && !proof.writable) {
    rows.push([
      'error',
      'chown-refused',
      `On volumes of class ${name} root may not change owners, and www-data may not write.`,
      'Switch root squashing off, or squash to the id of www-data.',
      plain(proof) as unknown as Json,
    ]);
  }
  if (sameNode && facts.nodes > 1 && (layout.kind === 'docroot-claim' || !served)) {
    rows.push([
      'warning',
      'one-node-until-phase-2',
      'Uploads stay on a volume that one node only can mount: until phase 2 all pods run on that node, and its loss stops the site.',
      'Go on to phase 2 soon.',
      { nodes: facts.nodes, claim: facts.docrootClaim?.metadata?.name ?? null },
    ]);
  }
  if (!served && facts.snapshotClass === null) {
    rows.push([
      'warning',
      'no-snapshots',
      "The document root's volume cannot be snapshotted: the recovery point holds no copy of it.",
      'Phase 1 never writes to that volume; take a backup of your own if that is not enough.',
    ]);
  }
  return rows;
}

function contentFindings(facts: HybridStorageFacts): Row[] {
  const { inspection } = facts;
  if (inspection === null) {
    return facts.inspectionError === null
      ? []
      : [
          [
            'error',
            'docroot-not-inspected',
            `The old document root could not be looked at: ${facts.inspectionError}`,
            'Without it, files beside plugins, themes and uploads could be left behind unseen.',
          ],
        ];
  }
  const rows: Row[] = [];
  const kept = [...inspection.content, ...inspection.beside];
  if (kept.length > 0) {
    rows.push([
      'warning',
      'kept-on-old-volume',
      `${kept.length} further ${kept.length === 1 ? 'entry' : 'entries'} of the document root stay on the old volume and are mounted from there: ${kept.map(({ path }) => path).join(', ')}.`,
      'Decide for each whether it belongs into the image; a single file that is mounted so can be changed, not replaced.',
      plain(kept) as unknown as Json,
    ]);
  }
  const { changed, missing, added } = inspection.core;
  const order = compareVersions(inspection.imageVersion, inspection.version);
  if (order < 0) {
    rows.push([
      'error',
      'image-older',
      `The site runs WordPress ${inspection.version}, the image has ${inspection.imageVersion}: core would go back.`,
      'Build an image with at least the version of the site.',
      { site: inspection.version, image: inspection.imageVersion },
    ]);
  }
  if (order > 0) {
    rows.push([
      'warning',
      'image-newer',
      `The site runs WordPress ${inspection.version}, the image has ${inspection.imageVersion}: phase 1 updates core too.`,
      'Use an image with the same version to change one thing at a time.',
      { site: inspection.version, image: inspection.imageVersion },
    ]);
  }
  // With another version of core nearly every file differs, which says nothing.
  if (order === 0 && changed.count + missing.count > 0) {
    rows.push([
      'warning',
      'core-changed',
      `${changed.count} files of core differ from the image's and ${missing.count} are missing: somebody changed core.`,
      'Such changes end with phase 1. Look at them first.',
      { changed, missing },
    ]);
  }
  if (added.count > 0) {
    rows.push([
      'warning',
      'core-files-added',
      `${added.count} files in wp-admin or wp-includes are not WordPress's: left-overs of an update, or a break-in.`,
      'They are not carried over. Look at them first.',
      added,
    ]);
  }
  return rows;
}

/** Below, equal or above 0 as `a` is older, the same or newer than `b`; unknown versions count as the same. */
function compareVersions(a: string | null, b: string | null): number {
  if (a === null || b === null) return 0;
  const parts = (text: string) => text.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
