import { inspect } from 'node:util';

interface Cookie {
  name: string;
  value: string;
  path: string;
}

/** The cookies of one host, as a browser keeps them. Values never show in JSON or logs. */
export class CookieJar {
  readonly #cookies = new Map<string, Cookie>();

  /** Takes over `Set-Cookie` headers; a cookie that has expired is forgotten. */
  store(headers: string | string[] | undefined, requestPath: string): void {
    for (const header of [headers ?? []].flat()) {
      const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
      const equals = pair.indexOf('=');
      if (equals <= 0) continue;
      const attribute = (name: string) => {
        const found = attributes.find((part) => part.toLowerCase().startsWith(`${name}=`));
        return found?.slice(name.length + 1);
      };
      const path = attribute('path') ?? directory(requestPath);
      const cookie = { name: pair.slice(0, equals), value: pair.slice(equals + 1), path };
      const key = `${cookie.name} ${path}`;
      const maxAge = attribute('max-age');
      const expires = attribute('expires');
      const gone = maxAge !== undefined ? Number(maxAge) <= 0 : isPast(expires);
      if (gone) this.#cookies.delete(key);
      else this.#cookies.set(key, cookie);
    }
  }

  /** The `Cookie` header for a path; longer cookie paths first. Empty when there is nothing to send. */
  header(path: string): string {
    return [...this.#cookies.values()]
      .filter((cookie) => matches(cookie.path, path))
      .sort((a, b) => b.path.length - a.path.length)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  /** Names of the cookies, for messages. */
  names(): string[] {
    return [...new Set([...this.#cookies.values()].map(({ name }) => name))];
  }

  toJSON(): string[] {
    return this.names();
  }

  [inspect.custom](): string {
    return `CookieJar(${this.names().join(', ')})`;
  }
}

function directory(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 1));
}

function matches(cookiePath: string, path: string): boolean {
  if (path === cookiePath) return true;
  return path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`);
}

function isPast(expires: string | undefined): boolean {
  const time = expires === undefined ? Number.NaN : Date.parse(expires);
  return !Number.isNaN(time) && time <= Date.now();
}
