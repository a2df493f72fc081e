/** Acme's zone at the CDN: a cache rule that somebody else has made, which nothing here may lose. */
import type { SandboxCredentials } from '../credentials.ts';
import { cloudflareZoneId, endpoints, hostNames } from '../settings.ts';

/** Made by a person in the provider's dashboard, long before; not Presslift's. */
const foreignRules = [
  {
    ref: 'shop-downloads',
    description: 'Price lists are fresh for ten minutes (asked for by sales)',
    expression: `(http.host eq "${hostNames.acme}" and starts_with(http.request.uri.path, "/price-lists/"))`,
    action: 'set_cache_settings',
    action_parameters: {
      cache: true,
      edge_ttl: { mode: 'override_origin', default: 600 },
      browser_ttl: { mode: 'respect_origin' },
    },
    enabled: true,
  },
];

const cachePhase = 'http_request_cache_settings';

/** Gives the zone its cache rule where it has no cache rules at all; somebody's later rules stay. */
export async function ensureForeignRules(credentials: SandboxCredentials): Promise<void> {
  const found = await call(credentials, 'GET', entrypoint(cachePhase));
  if (found.status === 404) await resetCdn(credentials);
  else if (!found.ok) throw new Error(`The CDN's rules cannot be read: status ${found.status}`);
}

/** Puts the zone's rules to what they are before the roadmap: the one cache rule, and none in any other phase. */
export async function resetCdn(credentials: SandboxCredentials): Promise<void> {
  const listed = await call(credentials, 'GET', '/rulesets');
  const { result } = (await listed.json()) as { result: { kind: string; phase: string }[] };
  const others = result.filter(({ kind, phase }) => kind === 'zone' && phase !== cachePhase);
  for (const { phase } of others) await put(credentials, phase, []);
  await put(credentials, cachePhase, foreignRules);
}

async function put(
  credentials: SandboxCredentials,
  phase: string,
  rules: unknown[],
): Promise<void> {
  const answer = await call(credentials, 'PUT', entrypoint(phase), { rules });
  if (!answer.ok) throw new Error(`The CDN refuses rules of ${phase}: ${await answer.text()}`);
}

function entrypoint(phase: string): string {
  return `/rulesets/phases/${phase}/entrypoint`;
}

function call(
  { cloudflareToken }: SandboxCredentials,
  method: string,
  path: string,
  body?: unknown,
): Promise<Response> {
  return fetch(`${endpoints.cloudflare}/client/v4/zones/${cloudflareZoneId}${path}`, {
    method,
    headers: { authorization: `Bearer ${cloudflareToken}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
}
