import type { RequestOptions } from 'node:https';
import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { KubeConfig, KubernetesObject } from '@kubernetes/client-node';

/** The API server's answer to a request that failed. */
export class KubernetesError extends Error {
  override name = 'KubernetesError';
  /** HTTP status. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(`${code} ${message}`);
    this.code = code;
  }
}

/** Requests to the API server as plain JSON. */
export interface KubernetesRequests {
  get: <T>(path: string) => Promise<T>;
  /** Server-side apply of one object, as it is. */
  apply: (object: KubernetesObject, fieldManager: string) => Promise<KubernetesObject>;
}

interface ResourceList {
  resources: { name: string; kind: string; namespaced: boolean }[];
}

/**
 * The objects go over the wire as they were written. The typed client would send only the fields of its own models,
 * which loses `x-kubernetes-…` keys of custom resource definitions.
 */
export function kubernetesRequests(config: KubeConfig): KubernetesRequests {
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error('The kubeconfig names no cluster');
  const agent = new Agent({ keepAlive: false });
  const resources = new Map<string, ResourceList['resources']>();

  async function send<T>(method: string, path: string, body?: object): Promise<T> {
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const answer = await new Promise<{ status: number; body: string }>((resolve, reject) => {
      const sent = request(new URL(path, server), { ...options, agent, method, timeout: 20_000 });
      sent.setHeader('Accept', 'application/json');
      // JSON is YAML.
      if (body) sent.setHeader('Content-Type', 'application/apply-patch+yaml');
      sent.on('timeout', () => sent.destroy(new Error(`No answer to ${method} ${path} in 20 s`)));
      sent.on('error', reject);
      sent.on('response', (response) => {
        text(response).then(
          (read) => resolve({ status: response.statusCode!, body: read }),
          reject,
        );
      });
      sent.end(body && JSON.stringify(body));
    });
    if (answer.status < 300) return JSON.parse(answer.body) as T;
    throw new KubernetesError(answer.status, messageOf(answer.body));
  }

  async function resourceOf({ apiVersion = 'v1', kind }: KubernetesObject) {
    const found = (known = resources.get(apiVersion)) => known?.find((each) => each.kind === kind);
    const isResource = found();
    if (isResource) return isResource;
    const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    const list = await send<ResourceList>('GET', group);
    // Subresources have the kind of what they are asked for, not of what they belong to.
    const own = list.resources.filter(({ name }) => !name.includes('/'));
    resources.set(apiVersion, own);
    const resource = found(own);
    if (!resource) throw new KubernetesError(404, `the API has no ${kind} in ${apiVersion}`);
    return resource;
  }

  async function apply(object: KubernetesObject, fieldManager: string): Promise<KubernetesObject> {
    const { apiVersion = 'v1', metadata } = object;
    const { name, namespaced } = await resourceOf(object);
    const parts = [
      apiVersion.includes('/') ? 'apis' : 'api',
      ...apiVersion.split('/'),
      ...(namespaced ? ['namespaces', metadata?.namespace ?? 'default'] : []),
      name,
      metadata?.name ?? '',
    ];
    const path = `/${parts.map(encodeURIComponent).join('/')}`;
    const query = new URLSearchParams({ fieldManager, force: 'true' });
    return send('PATCH', `${path}?${query.toString()}`, object);
  }

  return { get: (path) => send('GET', path), apply };
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body;
  } catch {
    return body.trim();
  }
}
