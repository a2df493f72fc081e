import { Agent, buildConnector, request } from 'undici';
import { errorCode } from '../failure.ts';
import type { ConnectTo } from '../wordpress-admin/browser.ts';

export interface VisitorOptions {
  /** `https://www.example.com` */
  baseUrl: string;
  connectTo?: ConnectTo;
  /** PEM of authorities to trust instead of the process's own. */
  ca?: string;
  /** A page that takes longer has failed; default 10,000. */
  timeoutMs?: number;
}

/** What a visitor looks at. */
export interface VisitorPath {
  path: string;
  /** An HTML page must come whole: it ends with `</html>`. */
  html: boolean;
}

/** What one request met; `problem` is null when all was well. */
export interface Visit {
  milliseconds: number;
  problem: string | null;
}

/** An anonymous visitor without cookies. */
export interface Visitor {
  visit(path: VisitorPath): Promise<Visit>;
  /** Front page, a post and a static file of the site; the front page alone where it does not answer. */
  paths(): Promise<VisitorPath[]>;
  close(): Promise<void>;
}

export const frontPage: VisitorPath = { path: '/', html: true };

/** Part of every WordPress, should the front page name no file of its own. */
const fallbackAsset = '/wp-includes/css/dist/block-library/style.min.css';

export function openVisitor(options: VisitorOptions): Visitor {
  const base = new URL(options.baseUrl);
  const timeoutMs = options.timeoutMs ?? 10_000;
  const connect = buildConnector({ ca: options.ca, rejectUnauthorized: true, timeout: timeoutMs });
  const { connectTo } = options;
  const agent = new Agent({
    connections: 16,
    connect: connectTo
      ? (target, callback) =>
          connect(
            {
              ...target,
              hostname: connectTo.address,
              port: String(connectTo.port ?? target.port),
              servername: target.servername ?? target.hostname,
            },
            callback,
          )
      : connect,
  });

  async function fetchText(path: string): Promise<{ status: number; text: string }> {
    const answer = await request(new URL(path, base), {
      dispatcher: agent,
      headers: { 'user-agent': 'Presslift-Visitor', accept: '*/*' },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  }

  return {
    close: () => agent.destroy(),

    async visit({ path, html }) {
      const started = performance.now();
      const problem = await fetchText(path).then(
        ({ status, text }) => {
          if (status !== 200) return `status ${status}`;
          if (text.length === 0) return 'an empty answer';
          return html && !/<\/html>\s*(<!--[\s\S]*?-->\s*)*$/i.test(text)
            ? 'the page breaks off before </html>'
            : null;
        },
        (error: unknown) => errorCode(error) ?? (error as Error).name,
      );
      return { milliseconds: performance.now() - started, problem };
    },

    async paths() {
      const text = (path: string) =>
        fetchText(path).then(
          (answer) => (answer.status === 200 ? answer.text : ''),
          () => '',
        );
      const post = firstPost(await text('/wp-json/wp/v2/posts?per_page=1&_fields=link'), base);
      const found = post ?? postOfFeed(await text('/feed/'), base);
      const asset = assetOf(await text('/'), base) ?? fallbackAsset;
      return [
        frontPage,
        ...(found ? [{ path: found, html: true }] : []),
        { path: asset, html: false },
      ];
    },
  };
}

/** Path of a URL of this site, or null for one elsewhere. */
function ownPath(text: string, base: URL): string | null {
  if (!URL.canParse(text, base)) return null;
  const url = new URL(text, base);
  return url.host === base.host ? `${url.pathname}${url.search}` : null;
}

/** The first post in an answer of WordPress's REST API. */
export function firstPost(json: string, base: URL): string | null {
  try {
    const [post] = JSON.parse(json) as { link?: unknown }[];
    return typeof post?.link === 'string' ? ownPath(post.link, base) : null;
  } catch {
    return null;
  }
}

/** The first item of an RSS feed. */
export function postOfFeed(xml: string, base: URL): string | null {
  const link = /<item>[\s\S]*?<link>\s*([^<\s]+)\s*<\/link>/.exec(xml)?.[1];
  return link ? ownPath(link.replaceAll('&amp;', '&').replaceAll('&#038;', '&'), base) : null;
}

/** The first file of the site itself that its front page loads. */
export function assetOf(html: string, base: URL): string | null {
  for (const [, found = ''] of html.matchAll(/(?:href|src)=["']([^"']+)["']/g)) {
    const path = ownPath(found.replaceAll('&amp;', '&').replaceAll('&#038;', '&'), base);
    if (
      path &&
      /^\/(?:.*\/)?wp-(?:includes|content)\/.+\.(?:css|js|png|jpe?g|svg|webp)(?:\?|$)/.test(path)
    ) {
      return path;
    }
  }
  return null;
}
