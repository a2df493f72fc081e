import { digestOf } from '../../domain/digest.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { ChangeInput, ChangeResult, RollbackActivities } from '../contracts.ts';
import { failure } from '../failure.ts';
import { siteCluster } from '../recovery/deps.ts';
import type { RollbackDeps } from './deps.ts';
import { onePhpPod } from '../kubernetes/php-pods.ts';

export function createOptions(
  deps: RollbackDeps,
): Pick<RollbackActivities, 'restoreOptions' | 'returnOptions'> {
  async function write({ site }: ChangeInput, options: Json): Promise<ChangeResult> {
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      throw failure('InvalidInput', 'The change names no options');
    }
    const pod = await onePhpPod(siteCluster(deps, site), site);
    const now = (await deps.agent.run(site, pod, 'options-write', { options })) as JsonObject;
    const wrong = Object.keys(options).filter(
      (name) => digestOf(now[name] ?? null) !== digestOf(options[name] ?? null),
    );
    if (wrong.length > 0) {
      throw failure('AgentFailed', `WordPress did not keep the options ${wrong.join(', ')}`);
    }
    return { options: Object.keys(options) };
  }
  return {
    restoreOptions: (input) => write(input, input.change.after),
    returnOptions: (input) => write(input, input.change.before),
  };
}
