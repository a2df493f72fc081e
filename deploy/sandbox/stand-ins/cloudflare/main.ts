/** The stand-in as a process of the sandbox: `node deploy/sandbox/stand-ins/cloudflare/main.ts`. */
import { join } from 'node:path';
import { sandboxCredentials } from '../../credentials.ts';
import { cloudflareZoneId, domain, network, paths, ports } from '../../settings.ts';
import { serve } from '../http.ts';
import { JsonFile } from '../json-file.ts';
import type { CloudflareState } from './rulesets.ts';
import { createCloudflareStandIn } from './server.ts';
import { newZone } from './zone.ts';

const state = new JsonFile<CloudflareState>(join(paths.state, 'cloudflare', 'state.json'), () => ({
  ...{ zones: {}, purges: [] },
}));
await state.update(({ zones }) => {
  zones[cloudflareZoneId] ??= newZone(domain);
});
const { cloudflareToken } = await sandboxCredentials();
const server = createCloudflareStandIn({
  tokens: [{ value: cloudflareToken, may: 'edit' }],
  state,
  log: (line) => console.log(new Date().toISOString(), line),
});
await serve(server, network.loopback, ports.cloudflare);
