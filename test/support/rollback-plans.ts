import type { Plan } from '../../src/domain/plan.ts';
import type { RollbackFacts } from '../../src/domain/planners/rollback-facts.ts';
import { planRollback } from '../../src/domain/planners/rollback.ts';
import type { RollbackRequest } from '../../src/domain/recovery/request.ts';
import { acme } from './hybrid-fixtures.ts';
import {
  digestA,
  hybridDeployment,
  recoveryPoint,
  rollbackFacts,
  sameTree,
} from './rollback-facts.ts';

/** What tests of the rollback's planner share: plans of acme, what is read of them, and states of a site. */

export const site = acme((file) => {
  delete file['cdn'];
});
export const context = { siteDigest: digestA, execution: 'acme/rollback/20261123T180000Z/run-1' };

export function plan(change: Partial<RollbackFacts> = {}, request: RollbackRequest = {}): Plan {
  return planRollback(site, rollbackFacts(change), request, context);
}

export const ids = ({ changes }: Plan) => changes.map(({ id }) => id);
/** But for the one that names the point, which nearly every plan has. */
export const findings = ({ findings: list }: Plan) =>
  list.filter(({ id }) => id !== 'recovery-point-chosen').map(({ id, level }) => `${level} ${id}`);
export const listOf = ({ findings: list }: Plan, wanted: string) =>
  JSON.stringify(list.find(({ id }) => id === wanted)?.evidence);
export const messageOf = ({ findings: list }: Plan, wanted: string) =>
  list.find(({ id }) => id === wanted)?.message;
export const change = (one: Plan, id: string) => {
  const found = one.changes.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`No change ${id} among ${ids(one).join(', ')}`);
  return found;
};

export const lostPlugin: Partial<RollbackFacts> = {
  extensions: {
    ...rollbackFacts().extensions,
    comparisons: [
      {
        ...sameTree('wp-content/plugins'),
        missing: { count: 4, first: ['shop/shop.php'] },
      },
      sameTree('wp-content/themes'),
    ],
  },
};
export const otherOptions: Partial<RollbackFacts> = {
  options: { ...rollbackFacts().options, active_plugins: ['akismet/akismet.php'] },
};
export const badImage: Partial<RollbackFacts> = {
  deployment: hybridDeployment({ image: 'localhost:5000/presslift/wordpress:broken' }),
  stuck: 'pod wordpress-x: container php: ImagePullBackOff',
};
export const cdnPoint = recoveryPoint({
  cdn: {
    provider: 'cloudflare',
    zoneId: 'zone',
    rulesets: [
      {
        phase: 'http_request_cache_settings',
        rulesetId: 'r',
        version: '3',
        rules: 2,
        digest: 'then',
      },
      {
        phase: 'http_request_firewall_custom',
        rulesetId: 'f',
        version: '1',
        rules: 1,
        digest: 'same',
      },
    ],
  },
});
export const cdnNow = {
  provider: 'cloudflare' as const,
  zoneId: 'zone',
  rulesets: [
    { phase: 'http_request_cache_settings', rulesetId: 'r', version: '5', rules: 2, digest: 'now' },
    {
      phase: 'http_request_firewall_custom',
      rulesetId: 'f',
      version: '1',
      rules: 1,
      digest: 'same',
    },
  ],
};
export const withCdn = acme((file) => {
  Object.assign(file, { cdn: { provider: 'cloudflare', zoneId: 'zone', token: 'env:TOKEN' } });
});
