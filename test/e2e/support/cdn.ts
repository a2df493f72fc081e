/** acme's cache rules at the CDN's stand-in, as an administrator of the zone sees and changes them. */
import { createHash } from 'node:crypto';
import { sandboxCredentials } from '../../../deploy/sandbox/credentials.ts';
import { endpoints } from '../../../deploy/sandbox/settings.ts';

const zone = '023e105f4ecef8ad9ca31a8372d0c353';
const phase = 'http_request_cache_settings';

type Rule = Record<string, unknown>;

export interface ZoneRules {
  /** Of the rules without what the provider assigns anew with each write. */
  digest(): Promise<string>;
  version(): Promise<number>;
  /** Writes other rules, as somebody does in the dashboard. */
  replace(rules: Rule[]): Promise<void>;
  /** The rules that were there when this was made. */
  putBack(): Promise<void>;
}

export async function zoneRules(): Promise<ZoneRules> {
  const { cloudflareToken } = await sandboxCredentials();
  const url = `${endpoints.cloudflare}/client/v4/zones/${zone}/rulesets/phases/${phase}/entrypoint`;
  const call = async (method: 'GET' | 'PUT', body?: object) => {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${cloudflareToken}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as { result: { version: string; rules: Rule[] } };
    if (!response.ok) throw new Error(`${method} of the cache rules: ${JSON.stringify(answer)}`);
    return answer.result;
  };
  const write = async (rules: Rule[]) => {
    await call('PUT', { rules });
  };
  const atFirst = (await call('GET')).rules.map(written);
  return {
    digest: async () => digestOf((await call('GET')).rules.map(written)),
    version: async () => Number((await call('GET')).version),
    replace: write,
    putBack: () => write(atFirst),
  };
}

function written({ id: _id, version: _version, last_updated: _at, ...rule }: Rule): Rule {
  return rule;
}

const digestOf = (rules: Rule[]) =>
  createHash('sha256').update(JSON.stringify(rules)).digest('hex');
