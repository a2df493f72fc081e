import { FormData } from 'undici';
import { failure } from '../failure.ts';
import { Secret } from '../secrets/secret.ts';
import { openBrowser, type Browser, type BrowserOptions } from './browser.ts';
import type { CookieJar } from './cookies.ts';
import {
  ajaxNonce,
  asksForFtp,
  firstNotice,
  formOf,
  isFatal,
  isLoggedIn,
  linkWith,
  pluginRow,
  whatIsShown,
  type AdminPage,
} from './pages.ts';

export type { ConnectTo } from './browser.ts';
export { isLoggedIn, type AdminPage } from './pages.ts';

export interface AdminSessionOptions extends BrowserOptions {
  username: string;
  password: Secret | string;
}

/**
 * wp-admin as an administrator's browser uses it: every nonce is read from the page that a person would see.
 *
 * Everything here throws SiteBroken (with the page's title and first notice) when WordPress does not do it, Unauthorized
 * when the login is refused, Unavailable or TlsRejected when the site cannot be reached.
 */
export interface AdminSession {
  cookies: CookieJar;
  /** Any page, with redirects followed. */
  get(path: string): Promise<AdminPage>;
  /** Uploads a zip on "Add plugins" and installs it. The plugin is not active afterwards. */
  uploadPlugin(zip: Buffer, fileName: string): Promise<void>;
  /** @param file as WordPress names plugins: `akismet/akismet.php`. */
  activatePlugin(file: string): Promise<void>;
  /** Uploads a zip of a plugin that is installed and replaces it. */
  replacePlugin(zip: Buffer, fileName: string): Promise<void>;
  /** "Update now". WordPress answers 200 also when it failed; what counts is what it says. */
  updatePlugin(file: string, slug: string): Promise<{ oldVersion: string; newVersion: string }>;
  deactivatePlugin(file: string): Promise<void>;
  deletePlugin(file: string): Promise<void>;
  /** The plugin as "Plugins" lists it; null when it does not. */
  plugin(file: string): Promise<{ active: boolean; version: string } | null>;
  close(): Promise<void>;
}

/** Logs in and returns the session; the caller closes it. */
export async function openAdminSession(options: AdminSessionOptions): Promise<AdminSession> {
  const browser = openBrowser(options);
  try {
    await logIn(browser, options);
  } catch (error) {
    await browser.close();
    throw error;
  }
  return sessionOf(browser);
}

/** A session that goes on with cookies of another, for example at another pod. It does not log in. */
export function resumeAdminSession(options: BrowserOptions & { cookies: CookieJar }): AdminSession {
  return sessionOf(openBrowser(options));
}

async function logIn(browser: Browser, options: AdminSessionOptions): Promise<void> {
  const { username, password } = options;
  const before = await browser.get('/wp-login.php');
  if (before.status !== 200 || !formOf(before, '#loginform')) {
    throw failure('SiteBroken', `wp-login.php shows no login form (${whatIsShown(before)})`);
  }
  const target = new URL('wp-admin/', `${options.baseUrl.replace(/\/$/, '')}/`).href;
  const page = await browser.post('/wp-login.php', {
    log: username,
    pwd: password instanceof Secret ? password.reveal() : password,
    'wp-submit': 'Log In',
    testcookie: '1',
    redirect_to: target,
  });
  if (isFatal(page)) throw failure('SiteBroken', `Logging in: ${whatIsShown(page)}`);
  if (isLoggedIn(page)) return;
  if (formOf(page, '#loginform')) {
    throw failure(
      'Unauthorized',
      `WordPress refuses the login: ${firstNotice(page) ?? 'no reason'}`,
    );
  }
  // WordPress sometimes asks to confirm the administrator's address; the session is open all the same.
  const again = await browser.get('/wp-admin/');
  if (!isLoggedIn(again)) {
    throw failure('SiteBroken', `After the login wp-admin does not open (${whatIsShown(again)})`);
  }
}

function sessionOf(browser: Browser): AdminSession {
  /** A page of wp-admin for somebody logged in. */
  async function admin(path: string): Promise<AdminPage> {
    return checked(await browser.get(path), path);
  }

  function checked(page: AdminPage, doing: string): AdminPage {
    if (isFatal(page)) throw failure('SiteBroken', `${doing}: ${whatIsShown(page)}`);
    if (asksForFtp(page)) {
      throw failure(
        'SiteBroken',
        `${doing}: WordPress asks for FTP credentials, it cannot write files`,
      );
    }
    if (formOf(page, '#loginform')) {
      throw failure('Unauthorized', `${doing}: the session is not logged in any more`);
    }
    return page;
  }

  async function upload(zip: Buffer, fileName: string): Promise<AdminPage> {
    const path = '/wp-admin/plugin-install.php?tab=upload';
    const page = await admin(path);
    const form = formOf(page, 'form.wp-upload-form');
    const nonce = form?.fields._wpnonce;
    if (!form || !nonce) {
      throw failure('SiteBroken', `"Add plugins" shows no upload form (${whatIsShown(page)})`);
    }
    const body = new FormData();
    for (const [name, value] of Object.entries(form.fields)) body.set(name, value);
    body.set('pluginzip', new Blob([new Uint8Array(zip)], { type: 'application/zip' }), fileName);
    body.set('install-plugin-submit', 'Install Now');
    const sent = await browser.send('/wp-admin/update.php?action=upload-plugin', body);
    return checked(sent, `Uploading ${fileName}`);
  }

  async function follow(
    page: AdminPage,
    doing: string,
    wanted: Record<string, string>,
  ): Promise<AdminPage> {
    const link = linkWith(page, wanted);
    if (!link) throw failure('SiteBroken', `${doing}: no such link (${whatIsShown(page)})`);
    return checked(await browser.get(link), doing);
  }

  async function listed(file: string) {
    return pluginRow(await admin('/wp-admin/plugins.php'), file);
  }

  /** What wp-admin's own scripts send; the answer says in `success` whether it was done. */
  async function ajax(
    action: string,
    file: string,
    slug: string,
  ): Promise<Record<string, unknown>> {
    const page = await admin('/wp-admin/plugins.php');
    const nonce = ajaxNonce(page);
    if (!nonce)
      throw failure('SiteBroken', `plugins.php has no update nonce (${whatIsShown(page)})`);
    const answer = await browser.post('/wp-admin/admin-ajax.php', {
      action,
      plugin: file,
      slug,
      _ajax_nonce: nonce,
    });
    const parsed = jsonAnswer(answer);
    if (parsed?.success === true) return (parsed.data ?? {}) as Record<string, unknown>;
    const data = (parsed?.data ?? {}) as { errorMessage?: unknown };
    const reason =
      typeof data.errorMessage === 'string' ? plainText(data.errorMessage) : whatIsShown(answer);
    throw failure('SiteBroken', `${action} of ${file} failed: ${reason}`);
  }

  return {
    cookies: browser.cookies,
    get: (path) => browser.get(path),
    close: () => browser.close(),
    plugin: listed,

    async uploadPlugin(zip, fileName) {
      const page = await upload(zip, fileName);
      // After a good installation WordPress offers to activate; anything else is a failure with a notice.
      if (linkWith(page, { action: 'activate' })) return;
      if (linkWith(page, { overwrite: 'update-plugin' })) {
        throw failure('SiteBroken', `Uploading ${fileName}: the plugin is installed already`);
      }
      throw failure('SiteBroken', `Uploading ${fileName}: ${whatIsShown(page)}`);
    },

    async replacePlugin(zip, fileName) {
      const page = await upload(zip, fileName);
      const link = ['update-plugin', 'downgrade-plugin'].find((overwrite) =>
        linkWith(page, { overwrite }),
      );
      if (!link) {
        throw failure(
          'SiteBroken',
          `Replacing with ${fileName}: not offered (${whatIsShown(page)})`,
        );
      }
      const done = await follow(page, `Replacing with ${fileName}`, { overwrite: link });
      if (!/Plugin (updated|downgraded) successfully/i.test(done.html)) {
        throw failure('SiteBroken', `Replacing with ${fileName}: ${whatIsShown(done)}`);
      }
    },

    async activatePlugin(file) {
      const doing = `Activating ${file}`;
      const page = await admin('/wp-admin/plugins.php');
      if (pluginRow(page, file)?.active) return;
      const after = await follow(page, doing, { action: 'activate', plugin: file });
      if ((await listed(file))?.active) return;
      throw failure('SiteBroken', `${doing}: it is not active afterwards (${whatIsShown(after)})`);
    },

    async updatePlugin(file, slug) {
      const data = await ajax('update-plugin', file, slug);
      return { oldVersion: versionOf(data.oldVersion), newVersion: versionOf(data.newVersion) };
    },

    async deactivatePlugin(file) {
      const doing = `Deactivating ${file}`;
      const page = await admin('/wp-admin/plugins.php');
      if (pluginRow(page, file)?.active === false) return;
      await follow(page, doing, { action: 'deactivate', plugin: file });
      if ((await listed(file))?.active === false) return;
      throw failure('SiteBroken', `${doing}: it is still active`);
    },

    async deletePlugin(file) {
      await ajax('delete-plugin', file, file.split('/')[0] ?? file);
      if ((await listed(file)) !== null) {
        throw failure('SiteBroken', `Deleting ${file}: it is still listed`);
      }
    },
  };
}

function jsonAnswer(page: AdminPage): { success?: unknown; data?: unknown } | null {
  try {
    // Notices of PHP may stand before the document.
    const start = page.html.indexOf('{"success"');
    return JSON.parse(page.html.slice(Math.max(start, 0))) as { success?: unknown; data?: unknown };
  } catch {
    return null;
  }
}

function plainText(html: string): string {
  return html.replace(/<[^>]*>/g, '').slice(0, 300);
}

/** `Version 1.2.0` as the answer has it, without the word. */
function versionOf(value: unknown): string {
  return typeof value === 'string' ? value.replace(/^\D*/, '') : '';
}
