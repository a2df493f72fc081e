import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Cloudflare from 'cloudflare';
import { close, listen } from '../../deploy/sandbox/stand-ins/http.ts';
import { JsonFile } from '../../deploy/sandbox/stand-ins/json-file.ts';
import type { Fault } from '../../deploy/sandbox/stand-ins/cloudflare/faults.ts';
import type { CloudflareState, Purge } from '../../deploy/sandbox/stand-ins/cloudflare/rulesets.ts';
import {
  apiPath,
  createCloudflareStandIn,
  type CloudflareStandInOptions,
} from '../../deploy/sandbox/stand-ins/cloudflare/server.ts';
import { newZone } from '../../deploy/sandbox/stand-ins/cloudflare/zone.ts';

export const testZoneId = '023e105f4ecef8ad9ca31a8372d0c353';
export const editToken = 'token-that-may-edit';
export const readToken = 'token-that-may-read';
export const uselessToken = 'token-that-may-nothing';

/** The stand-in for Cloudflare's API in this process, with the official client. */
export interface CloudflareServer {
  /** The client's base address. */
  endpoint: string;
  client(token?: string): Cloudflare;
  faults(faults: Fault[]): Promise<void>;
  purges(): Promise<Purge[]>;
  /** Stops it and starts it again on the same state. */
  restart(): Promise<void>;
  stateText(): Promise<string>;
  close(): Promise<void>;
}

type Options = Partial<Omit<CloudflareStandInOptions, 'tokens' | 'state'>>;

export async function startCloudflare(options: Options = {}): Promise<CloudflareServer> {
  const folder = await mkdtemp(join(tmpdir(), 'presslift-cloudflare-'));
  const file = join(folder, 'state.json');
  let port = 0;
  let server: Server;

  const start = async () => {
    server = createCloudflareStandIn({
      tokens: [
        { value: editToken, may: 'edit' },
        { value: readToken, may: 'read' },
        { value: uselessToken, may: 'nothing' },
      ],
      state: new JsonFile<CloudflareState>(file, () => ({
        zones: { [testZoneId]: newZone('acme.example') },
        purges: [],
      })),
      ...options,
    });
    port = await listen(server, '127.0.0.1', port);
  };
  await start();

  const own = async (path: string, init: RequestInit = {}): Promise<unknown> => {
    const headers = { authorization: `Bearer ${editToken}` };
    const answer = await fetch(`http://127.0.0.1:${port}/stand-in${path}`, { ...init, headers });
    if (!answer.ok) throw new Error(await answer.text());
    return ((await answer.json()) as { result: unknown }).result;
  };

  const endpoint = `http://127.0.0.1:${port}${apiPath}`;
  return {
    endpoint,
    client: (apiToken = editToken) =>
      new Cloudflare({ apiToken, baseURL: endpoint, maxRetries: 0, timeout: 5_000 }),
    async faults(faults) {
      await own('/faults', { method: 'PUT', body: JSON.stringify(faults) });
    },
    purges: async () => (await own('/purges')) as Purge[],
    async restart() {
      await close(server);
      await start();
      // Connections that are kept open for reuse are dead now; this one request finds it out.
      await own('/purges').catch(() => own('/purges'));
    },
    stateText: () => readFile(file, 'utf8'),
    async close() {
      await close(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
