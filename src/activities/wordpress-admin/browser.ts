import { Agent, buildConnector, request, type Dispatcher } from 'undici';
import { connectionFailure, failure, failureTypeOf } from '../failure.ts';
import { CookieJar } from './cookies.ts';
import type { AdminPage } from './pages.ts';

/** Where to connect instead of asking DNS for the site's host; the host name, and TLS for it, stay as they are. */
export interface ConnectTo {
  address: string;
  /** The port of the base URL when absent. */
  port?: number;
  /**
   * Plain HTTP with `X-Forwarded-Proto: https`, as the ingress speaks to a pod. Only for a single pod inside the
   * cluster's network.
   */
  plain?: boolean;
}

export interface BrowserOptions {
  /** `https://www.example.com`, also with a path where WordPress lives below one. */
  baseUrl: string;
  signal?: AbortSignal;
  connectTo?: ConnectTo;
  /** PEM of authorities to trust instead of the process's own. */
  ca?: string;
  cookies?: CookieJar;
  /** For one request; default 60,000 (an upload unpacks a whole plugin). */
  timeoutMs?: number;
}

type Body = string | Buffer | Dispatcher.RequestOptions['body'];

/** One browser on one host: cookies kept, redirects followed by hand, certificates verified. */
export interface Browser {
  cookies: CookieJar;
  get(path: string): Promise<AdminPage>;
  post(path: string, fields: Record<string, string>): Promise<AdminPage>;
  /** POST of a body with its own content type (a FormData sets it itself). */
  send(path: string, body: Body, headers?: Record<string, string>): Promise<AdminPage>;
  close(): Promise<void>;
}

const maximumRedirects = 10;
const maximumBytes = 8 * 1024 * 1024;

/** Opens a browser. Its requests throw Unavailable, TlsRejected, or SiteBroken when it is sent to another host. */
export function openBrowser(options: BrowserOptions): Browser {
  const base = new URL(options.baseUrl);
  const cookies = options.cookies ?? new CookieJar();
  const agent = new Agent({ connect: connector(options), pipelining: 1, connections: 4 });
  const plain = options.connectTo?.plain === true;
  const origin = plain ? `http://${base.host}` : base.origin;
  const timeoutMs = options.timeoutMs ?? 60_000;

  async function once(
    method: 'GET' | 'POST',
    url: URL,
    body: Body,
    headers: Record<string, string>,
  ) {
    const path = `${url.pathname}${url.search}`;
    const cookie = cookies.header(url.pathname);
    try {
      const answer = await request(`${origin}${path}`, {
        dispatcher: agent,
        method,
        body: body,
        headers: {
          // As browsers send it. A word about JSON here makes WordPress leave the admin bar out.
          accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
          'accept-language': 'en',
          'user-agent': 'Presslift (+https://wordpress.org/)',
          ...(cookie ? { cookie } : {}),
          ...(plain && base.protocol === 'https:' ? { 'x-forwarded-proto': 'https' } : {}),
          ...headers,
        },
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        signal: options.signal,
      });
      cookies.store(answer.headers['set-cookie'], url.pathname);
      const location = answer.headers.location;
      const page: AdminPage = { path, status: answer.statusCode, html: await textOf(answer) };
      return { page, location: Array.isArray(location) ? location[0] : location };
    } catch (error) {
      options.signal?.throwIfAborted();
      const mapped = connectionFailure(error, `${method} ${base.host}${url.pathname}`);
      throw mapped === error && failureTypeOf(error) === null
        ? failure('Unavailable', `${method} ${base.host}${url.pathname}: the request failed`)
        : mapped;
    }
  }

  async function follow(
    method: 'GET' | 'POST',
    path: string,
    body: Body = null,
    headers: Record<string, string> = {},
  ): Promise<AdminPage> {
    let url = resolvePath(base, path);
    let answer = await once(method, url, body, {
      referer: `${base.origin}${url.pathname}`,
      ...headers,
    });
    for (let hops = 0; answer.location && isRedirect(answer.page.status); hops += 1) {
      const next = new URL(answer.location, new URL(url.pathname + url.search, base));
      if (next.host !== base.host) {
        throw failure(
          'SiteBroken',
          `${base.host}${url.pathname} redirects to another host, ${next.host}`,
        );
      }
      if (hops === maximumRedirects) {
        throw failure('SiteBroken', `${base.host}${url.pathname} redirects without end`);
      }
      url = next;
      // A browser goes on with GET after 301, 302 and 303; WordPress sends no others.
      answer = await once('GET', url, null, {});
    }
    return answer.page;
  }

  return {
    cookies,
    get: (path) => follow('GET', path),
    post: (path, fields) =>
      follow('POST', path, new URLSearchParams(fields).toString(), {
        'content-type': 'application/x-www-form-urlencoded',
      }),
    send: (path, body, headers) => follow('POST', path, body, headers),
    close: () => agent.destroy(),
  };
}

/** Paths are below the base URL's own; a path that begins with it already is taken as it is. */
function resolvePath(base: URL, path: string): URL {
  const prefix = base.pathname.replace(/\/$/, '');
  const below = path === prefix || path.startsWith(`${prefix}/`) ? path : `${prefix}${path}`;
  return new URL(below, base);
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

async function textOf(answer: Dispatcher.ResponseData): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maximumBytes) throw failure('SiteBroken', 'A page is larger than 8 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function connector({ ca, connectTo }: BrowserOptions) {
  const connect = buildConnector({ ca, rejectUnauthorized: true, timeout: 10_000 });
  if (!connectTo) return connect;
  return (options: buildConnector.Options, callback: buildConnector.Callback) => {
    connect(
      {
        ...options,
        hostname: connectTo.address,
        port: String(connectTo.port ?? options.port),
        servername: options.servername ?? options.hostname,
      },
      callback,
    );
  };
}
