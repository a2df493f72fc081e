import type { Change, Observation, Plan } from '../plan.ts';
import type { RollbackRequest } from '../recovery/request.ts';
import type { Site } from '../site/schema.ts';
import { finding } from './finding.ts';
import { mostReleased, releaseChanges, rollbackChanges } from './rollback-changes.ts';
import { rollbackKeys, rollbackObserved, type RollbackFacts } from './rollback-facts.ts';
import { rollbackFindings } from './rollback-findings.ts';
import {
  pickExtensionOptions,
  rollbackSituation,
  type RollbackSituation,
} from './rollback-situation.ts';

/**
 * The plan of a rollback: what goes back to a recovery point, what that loses, how long it takes. Pure. Layers that are as
 * the point has them get no change; with a finding of level `error` there are none at all.
 *
 * @param context `execution` is what schemas and folders are named after: no two runs have the same.
 */
export function planRollback(
  site: Site,
  facts: RollbackFacts,
  request: RollbackRequest,
  context: { siteDigest: string; execution: string },
): Plan {
  const plan = {
    schema: 1,
    site: site.name,
    operation: 'rollback',
    siteDigest: context.siteDigest,
  } as const;
  const { execution } = context;
  const named = (changes: Change[]) =>
    changes.map((change) => ({ ...change, params: { ...change.params, execution } }));
  if (request.release === true) {
    const { changes, ...rest } = releasePlan(site, facts);
    return { ...plan, ...rest, changes: named(changes) };
  }
  const situation = rollbackSituation(site, facts, request, execution);
  const findings = rollbackFindings(situation);
  const forbidden = findings.some(({ level }) => level === 'error');
  const changes = forbidden ? [] : rollbackChanges(situation);
  if (!forbidden && changes.length === 0) {
    findings.push(
      finding(
        'info',
        'nothing-differs',
        `Nothing differs from ${facts.point?.id ?? 'the recovery point'} in what may go back.`,
        situation.layers.includes('database') || request.layers !== undefined
          ? null
          : 'The database goes back only when it is named: --layers database.',
      ),
    );
  }
  return { ...plan, changes: named(changes), observations: observationsOf(situation), findings };
}

function releasePlan(
  site: Site,
  facts: RollbackFacts,
): Pick<Plan, 'changes' | 'observations' | 'findings'> {
  const { kept } = facts;
  const findings =
    kept.length > mostReleased
      ? [
          finding(
            'info',
            'more-is-kept',
            `${kept.length} things are kept; this plan deletes ${mostReleased} of them.`,
            'Run it once more for the rest.',
          ),
        ]
      : [];
  return { changes: releaseChanges(site, kept), observations: [], findings };
}

/** Everything that a change of this plan hangs on; other things of the site may change while a person decides. */
function observationsOf(situation: RollbackSituation): Observation[] {
  const { site, facts, layers } = situation;
  const { point, state, deployment, extensions, options, database, cdn } = facts;
  const { namespace, deployment: name } = site.cluster;
  const files = layers.includes('plugins-themes');
  return [
    point !== null &&
      state !== null && {
        key: rollbackKeys.point(point.id),
        title: `Recovery point ${point.id}`,
        digest: rollbackObserved.point(point, state),
      },
    {
      key: rollbackKeys.deployment,
      title: `Deployment ${namespace}/${name}`,
      digest: rollbackObserved.deployment(deployment),
    },
    files &&
      extensions.listing !== null && {
        key: rollbackKeys.extensions,
        title: 'Files of plugins and themes',
        digest: extensions.listing,
      },
    files &&
      options !== null && {
        key: rollbackKeys.options,
        title: 'Active plugins and theme',
        digest: rollbackObserved.options(pickExtensionOptions(options)),
      },
    layers.includes('database') &&
      database.tables !== null && {
        key: rollbackKeys.tables,
        title: `Tables of the database ${site.database.name}`,
        digest: rollbackObserved.tables(database.tables),
      },
    layers.includes('cdn') && {
      key: rollbackKeys.cdn,
      title: 'Rules at the edge',
      digest: rollbackObserved.cdn(cdn),
    },
  ].filter((one) => one !== false);
}
