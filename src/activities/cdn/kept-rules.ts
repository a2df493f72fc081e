import { gunzipSync } from 'node:zlib';
import type { RulesCopy } from '../../domain/cdn/rules-copy.ts';
import type { Site } from '../../domain/site/schema.ts';
import { failure, failureTypeOf } from '../failure.ts';
import { openCatalogue } from '../recovery/catalogue.ts';
import { siteCluster, type RecoveryCoreDeps } from '../recovery/deps.ts';
import { opened, outputKey } from '../recovery/encrypted-output.ts';
import { packedNearby } from '../recovery/packed-rules.ts';
import { repositoryOf } from '../recovery/repository.ts';
import { resultOf, runToolboxJob, toolboxScript } from '../recovery/toolbox.ts';

/** The copies of a zone's rules that recovery points keep. */
export interface KeptRules {
  /** From the point's Secret alone; null where that holds none. */
  nearby(site: Site, id: string): Promise<RulesCopy | null>;
  /** From its Secret, or else from the files' snapshot in the repository; null where neither holds any. */
  anywhere(input: { site: Site; operationId: string; id: string }): Promise<RulesCopy | null>;
}

const script = toolboxScript(
  new URL('./scripts/read-rules.sh', import.meta.url),
  'restic',
  'encrypt',
);

/** Reads what `takeRecoveryPoint` and `backUpFiles` have kept. */
export function createKeptRules(deps: RecoveryCoreDeps): KeptRules {
  async function nearby(site: Site, id: string) {
    const packed = await packedNearby(deps, site, id);
    return packed === null ? null : parsed(gunzipSync(Buffer.from(packed, 'base64')), id);
  }

  return {
    nearby,
    async anywhere({ site, operationId, id }) {
      return (await nearby(site, id)) ?? (await fromRepository(deps, site, operationId, id));
    },
  };
}

/** @throws Unavailable when the Job was one of an earlier attempt, with that attempt's key; it is gone now. */
async function fromRepository(
  deps: RecoveryCoreDeps,
  site: Site,
  operationId: string,
  id: string,
): Promise<RulesCopy | null> {
  const snapshotId = await filesOf(deps, site, id);
  if (snapshotId === null) return null;
  const repository = await repositoryOf(deps, site);
  const key = outputKey();
  const outcome = await runToolboxJob(siteCluster(deps, site), site, {
    name: `cdn-rules-${id.toLowerCase()}`,
    operationId,
    script,
    env: { ...repository.env, SNAPSHOT: snapshotId },
    secretFiles: { ...repository.secretFiles, key },
    timeoutMs: 600_000,
  });
  const { rules } = resultOf<{ rules: string }>(outcome, `the CDN's rules of ${id}`);
  return rules === '' ? null : parsed(opened(rules, key, `The CDN's rules of ${id}`), id);
}

/** The files' snapshot of a recorded point; null for a point that holds objects of the cluster alone. */
async function filesOf(deps: RecoveryCoreDeps, site: Site, id: string): Promise<string | null> {
  const catalogue = await openCatalogue(deps, site);
  try {
    return (await catalogue.read(id)).files?.snapshotId ?? null;
  } catch (error) {
    if (failureTypeOf(error) === 'NotFound') return null;
    throw error;
  } finally {
    catalogue.close();
  }
}

function parsed(text: Buffer, id: string): RulesCopy {
  try {
    const copy = JSON.parse(text.toString('utf8')) as RulesCopy;
    if (Array.isArray(copy.rulesets)) return copy;
  } catch {
    // Said below.
  }
  throw failure('RestoreDiffers', `The copy of the CDN's rules in ${id} is none`);
}
