import { gzipSync } from 'node:zlib';
import type { V1Secret } from '@kubernetes/client-node';
import type { RulesCopy } from '../../domain/cdn/rules-copy.ts';
import type { Site } from '../../domain/site/schema.ts';
import { read } from '../kubernetes/apply.ts';
import { siteCluster, type RecoveryCoreDeps } from './deps.ts';
import { recoverySecretName } from './objects.ts';

/** Key in the Secret of a recovery point, and name among the files that the Job of a backup is given. */
export const rulesKey = 'cdn-rules.json.gz';

/** Bytes of a packed copy: it shares one MiB with objects of the cluster, in the Secret and among what a Job is given. */
const largest = 160 * 1024;

/** A copy of the CDN's rules as it is kept; null when it is too large for that. */
export function packedRules(copy: RulesCopy): Buffer | null {
  const packed = gzipSync(JSON.stringify(copy), { level: 9 });
  return packed.length > largest ? null : packed;
}

/** The packed copy in the Secret of a point, as base64; null where there is none. */
export async function packedNearby(
  deps: RecoveryCoreDeps,
  site: Site,
  id: string,
): Promise<string | null> {
  const secret = await read<V1Secret>(siteCluster(deps, site), {
    apiVersion: 'v1',
    kind: 'Secret',
    namespace: site.cluster.namespace,
    name: recoverySecretName(id),
  });
  return secret?.data?.[rulesKey] ?? null;
}
