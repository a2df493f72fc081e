import type { V1DeploymentSpec } from '@kubernetes/client-node';
import { digestOf } from '../digest.ts';
import type { Json, JsonObject } from '../json.ts';
import {
  definedConstants,
  hybridConfigExtra,
  hybridConstants,
} from '../kubernetes/config-extra.ts';
import { disruptionBudget, keepsOnePod } from '../kubernetes/disruption-budget.ts';
import { hybridNames } from '../kubernetes/names.ts';
import { oldVolumeOf } from '../kubernetes/layout.ts';
import { plain } from '../kubernetes/plain.ts';
import { hybridPodTemplate, type HybridTemplateOptions } from '../kubernetes/pod-template.ts';
import { provisionerObjects } from '../kubernetes/provisioner.ts';
import { redactTemplate } from '../kubernetes/redact.ts';
import {
  hasServingSettings,
  heldDeployment,
  holdSeconds,
  isHeld,
  servingSettings,
  trackedSelector,
  untrackedSelector,
} from '../kubernetes/rollout.ts';
import { sharedClaim, sharedClass } from '../kubernetes/shared-claim.ts';
import type { Change } from '../plan.ts';
import { observationKeys } from './hybrid-storage-facts.ts';
import { copiedDigests, type HybridSituation } from './hybrid-storage-situation.ts';

/** Names of the keys of a complete salts Secret. */
export const saltKeys = ['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'].flatMap((name) => [
  `WORDPRESS_${name}_KEY`,
  `WORDPRESS_${name}_SALT`,
]);

/** What is left to do, in the order in which it must be done. */
export function hybridChanges(situation: HybridSituation): Change[] {
  return [
    installProvisioner(situation),
    createSharedClaim(situation),
    copyExtensions(situation),
    keepSalts(situation),
    applyConfiguration(situation),
    applyDisruptionBudget(situation),
    startNewPods(situation),
    moveTraffic(situation),
    retireOldPods(situation),
    scaleOut(situation),
  ].filter((change) => change !== null);
}

function keysOf({ site }: HybridSituation) {
  const { namespace, deployment, service } = site.cluster;
  return observationKeys(namespace, { deployment, service, ...hybridNames(site) });
}

function named(situation: HybridSituation, kind: string, name: string): string {
  return `${kind} ${situation.site.cluster.namespace}/${name}`;
}

function installProvisioner(situation: HybridSituation): Change | null {
  const { site, facts } = situation;
  const wanted = site.storage.provisioner;
  if (wanted === undefined) return null;
  // The class is applied last: where it stands, everything before it does.
  if (facts.storageClasses.some(({ name }) => name === sharedClass(site))) return null;
  const objects = provisionerObjects(site).map(
    ({ kind, metadata }) =>
      `${kind} ${metadata?.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata?.name}`,
  );
  return {
    id: 'install-provisioner',
    title: `Install the ${wanted.kind} storage for volumes that pods share`,
    target: `StorageClass ${sharedClass(site)}`,
    before: null,
    after: objects,
    risk: 'medium',
    riskReason:
      wanted.kind === 'nfs-server'
        ? 'It adds a privileged pod to the cluster, and all shared volumes hang on that one server.'
        : 'It adds cluster-wide objects; nothing that exists is changed.',
    undo: { possible: true, how: 'Its objects are removed; volumes with data are kept.' },
    touches: [],
    params: plain(wanted) as unknown as JsonObject,
  };
}

function createSharedClaim(situation: HybridSituation): Change | null {
  const { site, facts } = situation;
  if (facts.sharedClaim !== null) return null;
  return {
    id: 'create-shared-claim',
    title: `Create the shared volume claim ${hybridNames(site).sharedClaim}`,
    target: named(situation, 'PersistentVolumeClaim', hybridNames(site).sharedClaim),
    before: null,
    after: json(sharedClaim(site).spec),
    risk: 'low',
    riskReason: 'It adds a volume; nothing uses it yet.',
    undo: {
      possible: true,
      how: 'The claim is deleted while it holds nothing but the copy; else it is kept and reported.',
    },
    touches: [keysOf(situation).sharedClaim],
    params: {},
  };
}

function copyExtensions(situation: HybridSituation): Change | null {
  const { facts, served, sameNode, chown } = situation;
  const old = oldVolumeOf(situation.spec.template, situation.site.wordpress.documentRoot);
  if (served || old === null) return null;
  const copied = copiedDigests(facts);
  const { trees } = facts;
  const same =
    trees !== null &&
    copied?.['plugins'] === trees.plugins.digest &&
    copied['themes'] === trees.themes.digest;
  if (same) return null;
  return {
    id: 'copy-extensions',
    title: 'Copy plugins and themes to the shared volume and compare every file',
    target: named(situation, 'PersistentVolumeClaim', hybridNames(situation.site).sharedClaim),
    before: copied,
    after: json(trees),
    risk: 'low',
    riskReason: 'The old volume is mounted read-only; nothing serves from the new one yet.',
    undo: { possible: true, how: 'The copy goes with the claim; the originals were not touched.' },
    touches: [],
    params: { claim: old.claim, subPath: old.subPath, sameNode, chown },
  };
}

function keepSalts(situation: HybridSituation): Change | null {
  const { site, facts, served } = situation;
  const { wordpress, saltsSecret } = facts;
  if (served || wordpress?.saltsFromEnvironment) return null;
  const complete =
    saltsSecret !== null &&
    saltKeys.every((key) => saltsSecret.keys.includes(key)) &&
    saltsSecret.fingerprint === (wordpress?.saltsFingerprint ?? null);
  if (complete) return null;
  return {
    id: 'keep-salts',
    title: "Keep the site's keys and salts in a Secret, so that every pod accepts every login",
    target: named(situation, 'Secret', hybridNames(site).saltsSecret),
    before: saltsSecret === null ? null : { keys: saltsSecret.keys },
    after: { keys: saltKeys },
    risk: 'low',
    riskReason: 'It copies values that are in force already; they are shown nowhere.',
    undo: { possible: true, how: 'The Secret is deleted.' },
    touches: [keysOf(situation).saltsSecret],
    params: {},
  };
}

/**
 * The text that the ConfigMap must hold. FS_METHOD follows the probe; without one (the class comes with this very plan,
 * and createSharedClaim proves it before anything uses it) the usual case is written. Once the volume is in use it is
 * probed no more, and what stands in the text stays.
 */
export function desiredExtra({ facts, served }: HybridSituation): string {
  const fsMethodDirect = facts.proof?.direct ?? (served ? definesFsMethod(facts.extra.text) : true);
  return hybridConfigExtra(facts.extra.text, { fsMethodDirect });
}

function definesFsMethod(text: string): boolean {
  return definedConstants(text).includes('FS_METHOD');
}

function applyConfiguration(situation: HybridSituation): Change | null {
  const { site, facts } = situation;
  const text = desiredExtra(situation);
  if (facts.configMapExtra === text) return null;
  const sets = definedConstants(text).filter(
    (name) => name in hybridConstants({ fsMethodDirect: true }),
  );
  return {
    id: 'apply-configuration',
    title: 'Write the configuration: no file editor, no automatic updates of core',
    target: named(situation, 'ConfigMap', hybridNames(site).configMap),
    before:
      facts.configMapExtra === null
        ? null
        : {
            defines: definedConstants(facts.configMapExtra),
            textDigest: digestOf(facts.configMapExtra),
          },
    after: {
      sets: Object.fromEntries(
        Object.entries(hybridConstants({ fsMethodDirect: sets.includes('FS_METHOD') })),
      ),
      carriedOver: definedConstants(facts.extra.text),
      textDigest: digestOf(text),
    },
    risk: 'low',
    riskReason: 'Only the new pods read it.',
    undo: { possible: true, how: 'The ConfigMap is deleted.' },
    touches: [keysOf(situation).configMap],
    params: { fsMethodDirect: sets.includes('FS_METHOD') },
  };
}

function applyDisruptionBudget(situation: HybridSituation): Change | null {
  const { site, facts, selector, spec } = situation;
  if (facts.disruptionBudgets.length > 1) return null;
  const existing = facts.disruptionBudgets[0];
  const replicas = Math.max(site.wordpress.replicas, spec.replicas ?? 1);
  if (existing?.spec !== undefined && keepsOnePod(existing.spec, replicas)) return null;
  const name = existing?.metadata?.name ?? hybridNames(site).disruptionBudget;
  return {
    id: 'apply-disruption-budget',
    title: 'Keep at least one pod through every drain of a node',
    target: named(situation, 'PodDisruptionBudget', name),
    before: json(existing?.spec ?? null),
    after: json(disruptionBudget(site, selector, name).spec),
    risk: 'low',
    riskReason: 'Until there are two pods, a drain of their node waits.',
    undo: {
      possible: true,
      how: existing === undefined ? 'The budget is deleted.' : 'The budget gets its old values.',
    },
    touches: [keysOf(situation).disruptionBudget],
    params: { name, replaces: existing !== undefined },
  };
}

function startNewPods(situation: HybridSituation): Change | null {
  const { site, facts, layout, served, spec, templateOptions } = situation;
  if (facts.deployment === null || (layout.kind === 'hybrid' && served)) return null;
  if (layout.kind === 'unknown' || !hasPhpContainer(situation)) return null;
  const template = hybridPodTemplate(spec.template, site, templateOptions);
  const held = heldDeployment(facts.deployment, template).spec;
  return {
    id: 'start-new-pods',
    title: 'Start pods with core from the image and shared plugins and themes, beside the old ones',
    target: named(situation, 'Deployment', site.cluster.deployment),
    before: deploymentShown(spec),
    after: deploymentShown(held ?? spec),
    risk: 'medium',
    riskReason:
      'Old pods stay and go on serving; the new ones must be ready and hold the same files before traffic moves.',
    undo: { possible: true, how: 'The Deployment gets its old template back; the new pods end.' },
    touches: [keysOf(situation).deployment],
    params: { template: optionsJson(templateOptions) },
  };
}

/** A Deployment's spec as a plan shows it; the activity compares what it is about to apply with this. */
export function deploymentShown(spec: V1DeploymentSpec): Json {
  return json({ template: redactTemplate(spec.template), ...rolloutOf(spec) });
}

function hasPhpContainer({ site, spec, layout }: HybridSituation): boolean {
  if (layout.kind === 'hybrid') return true;
  return (
    layout.kind === 'docroot-claim' &&
    layout.containers.includes(site.cluster.container) &&
    spec.template.spec !== undefined
  );
}

function moveTraffic(situation: HybridSituation): Change | null {
  const { site, facts, served } = situation;
  if (served) return null;
  const selector = facts.service?.spec?.selector ?? {};
  const keys = keysOf(situation);
  return {
    id: 'move-traffic',
    title: 'Send visitors to the new pods, and drain the old ones',
    target: named(situation, 'Service', site.cluster.service),
    before: { selector },
    after: { selector: trackedSelector(selector) },
    risk: 'medium',
    riskReason: 'Visitors change to the new pods; the old ones stay ready to take them back.',
    undo: { possible: true, how: 'The Service gets its old selector back, then is drained again.' },
    // From here on administrators work on the new volume, so its content is no longer what was approved.
    touches: [keys.service, keys.activePlugins, keys.plugins, keys.themes],
    params: { withoutTrack: untrackedSelector(selector) },
  };
}

function retireOldPods(situation: HybridSituation): Change | null {
  const { site, facts, layout, spec } = situation;
  const left = layout.kind === 'docroot-claim' || isHeld(spec) || facts.pods.old > 0;
  if (!left) return null;
  return {
    id: 'retire-old-pods',
    title: 'Let the old pods, now without traffic, end',
    target: named(situation, 'Deployment', site.cluster.deployment),
    before: json(
      rolloutOf(layout.kind === 'hybrid' ? spec : { ...spec, minReadySeconds: holdSeconds }),
    ),
    after: servingSettings(),
    risk: 'medium',
    riskReason: 'After it, going back needs the old pods to start again (about a minute).',
    undo: {
      possible: true,
      how: 'Pods of the old template are started again beside the new ones.',
    },
    touches: [keysOf(situation).deployment],
    params: {},
  };
}

function scaleOut(situation: HybridSituation): Change | null {
  const { site, layout, spec } = situation;
  const current = spec.replicas ?? 1;
  const wanted = Math.max(site.wordpress.replicas, current);
  const settled = layout.kind === 'docroot-claim' || isHeld(spec) || hasServingSettings(spec);
  if (current >= wanted && settled) return null;
  return {
    id: 'scale-out',
    title: `Run ${wanted} pods`,
    target: named(situation, 'Deployment', site.cluster.deployment),
    before: { replicas: current },
    after: { replicas: wanted, ...servingSettings() },
    risk: 'low',
    riskReason: 'It adds pods that have proved themselves with one replica.',
    undo: { possible: true, how: `The number of pods goes back to ${current}.` },
    touches: [keysOf(situation).deployment],
    params: {},
  };
}

function rolloutOf(spec: {
  replicas?: number;
  minReadySeconds?: number;
  strategy?: unknown;
}): Record<string, unknown> {
  return {
    replicas: spec.replicas ?? 1,
    minReadySeconds: spec.minReadySeconds ?? 0,
    strategy: spec.strategy ?? null,
  };
}

function optionsJson(options: HybridTemplateOptions): JsonObject {
  return plain(options) as unknown as JsonObject;
}

function json(value: unknown): Json {
  return value === undefined ? null : (plain(value) as Json);
}
