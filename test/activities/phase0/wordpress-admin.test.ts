import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import {
  openAdminSession,
  resumeAdminSession,
  type AdminSession,
} from '../../../src/activities/wordpress-admin/session.ts';
import { startWeb, type TestWeb } from '../../support/web.ts';

/**
 * The wp-admin client against an HTTPS server that answers with the markup of WordPress 6.8: cookies with paths, nonces in
 * forms, redirects, and the ways in which WordPress says no. That WordPress itself answers so is proved end to end.
 */

interface Asked {
  method: string;
  url: string;
  cookie: string;
  accept: string;
  body: string;
}

let web: TestWeb;
let asked: Asked[] = [];
let active = false;
let installed = true;
let answers: Record<string, string> = {};
const bar = '<div id="wpadminbar"></div>';
const loginForm = '<form id="loginform" action="wp-login.php" method="post"></form>';

const row = () => {
  const link = (action: string) =>
    `<a href="plugins.php?action=${action}&amp;plugin=demo%2Fdemo.php&amp;_wpnonce=n1">x</a>`;
  return `<table><tr class="${active ? 'active' : 'inactive'}" data-slug="demo" data-plugin="demo/demo.php"><td>
    ${link(active ? 'deactivate' : 'activate')}<div class="plugin-version-author-uri">Version 1.0 | By</div></td></tr></table>`;
};
const updates = '<script>var _wpUpdatesSettings = {"ajax_nonce":"0123456789"};</script>';

beforeAll(async () => {
  web = await startWeb('acme.test', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '/', headers } = request;
      const body = Buffer.concat(chunks).toString();
      const cookie = headers.cookie ?? '';
      asked.push({ method, url, cookie, accept: headers.accept ?? '', body });
      const html = (text: string, status = 200) =>
        response.writeHead(status, { 'content-type': 'text/html' }).end(`<html>${text}</html>`);
      const { pathname, searchParams } = new URL(url, 'https://acme.test');
      const special = answers[`${method} ${pathname}`];
      if (special !== undefined) {
        if (special.startsWith('→')) {
          response.writeHead(302, { location: special.slice(1) }).end();
        } else if (special.startsWith('{')) response.end(special);
        else html(special, special.includes('wp-die-message') ? 500 : 200);
      } else if (pathname === '/wp-login.php' && method === 'GET') {
        response.setHeader('set-cookie', 'wordpress_test_cookie=WP; path=/; secure');
        html(loginForm);
      } else if (pathname === '/wp-login.php') {
        if (!body.includes('pwd=good+password')) {
          html(`<div id="login_error"><strong>Error:</strong> wrong</div>${loginForm}`);
          return;
        }
        response
          .writeHead(302, {
            'set-cookie': [
              'wordpress_sec_x=planted-1; path=/wp-admin; secure; HttpOnly',
              'wordpress_logged_in_x=planted-2; path=/; secure; HttpOnly',
            ],
            location: 'https://acme.test/wp-admin/',
          })
          .end();
      } else if (!cookie.includes('wordpress_logged_in_x')) {
        response.writeHead(302, { location: '/wp-login.php?reauth=1' }).end();
      } else if (pathname === '/wp-admin/plugins.php') {
        const action = searchParams.get('action');
        if (action) {
          active = action === 'activate';
          response.writeHead(302, { location: `plugins.php?${action}=true` }).end();
        } else html(`${bar}${updates}${installed ? row() : ''}`);
      } else if (pathname === '/wp-admin/plugin-install.php') {
        html(`${bar}<form class="wp-upload-form" action="update.php?action=upload-plugin">
          <input type="hidden" name="_wpnonce" value="upload-nonce"><input type="file" name="pluginzip"></form>`);
      } else if (pathname === '/wp-admin/admin-ajax.php') {
        if (body.includes('action=delete-plugin')) installed = false;
        response
          .writeHead(200)
          .end('{"success":true,"data":{"oldVersion":"Version 1.0","newVersion":"Version 1.2"}}');
      } else html(bar);
    });
  });
});
afterAll(async () => web?.stop());
beforeEach(() => {
  [asked, active, installed, answers] = [[], false, true, {}];
});

const options = () => ({
  baseUrl: 'https://acme.test',
  ca: web.ca,
  connectTo: { address: '127.0.0.1', port: web.port },
});
const open = (password = 'good password') =>
  openAdminSession({ ...options(), username: 'admin', password });

const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => ['no failure', ''],
    (error: unknown) => [failureTypeOf(error), (error as Error).message],
  );

async function withSession<T>(use: (session: AdminSession) => Promise<T>): Promise<T> {
  const session = await open();
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

describe('logging in', () => {
  it('sends the test cookie back and keeps cookies by path', async () => {
    await withSession(async (session) => {
      const post = asked.find(({ method }) => method === 'POST');
      expect(post?.cookie).toBe('wordpress_test_cookie=WP');
      await session.get('/');
      expect(asked.at(-1)?.cookie).not.toContain('wordpress_sec_x');
      await session.get('/wp-admin/');
      expect(asked.at(-1)?.cookie).toContain('wordpress_sec_x');
    });
  });

  it('never speaks of JSON, which WordPress would answer without the admin bar', async () => {
    await withSession(async () => undefined);
    expect(asked.filter(({ accept }) => accept.includes('json'))).toEqual([]);
  });

  it('is Unauthorized with a wrong password, which is not repeated', async () => {
    const [type, message] = await failing(open('planted-password'));
    expect([type, message]).toEqual(['Unauthorized', 'WordPress refuses the login: Error: wrong']);
  });

  it.each([
    ['shows no form', { 'GET /wp-login.php': '<title>Hello</title>' }],
    ['dies', { 'POST /wp-login.php': '<p class="wp-die-message">critical</p>' }],
    ['sends us to another host', { 'GET /wp-login.php': '→https://elsewhere.test/' }],
    ['redirects without end', { 'GET /wp-login.php': '→/wp-login.php' }],
  ])('is SiteBroken when the page %s', async (_name, given) => {
    answers = given;
    expect((await failing(open()))[0]).toBe('SiteBroken');
  });

  it('is TlsRejected when the certificate is not trusted', async () => {
    const { connectTo, baseUrl } = options();
    const strangers = openAdminSession({ baseUrl, connectTo, username: 'a', password: 'b' });
    expect((await failing(strangers))[0]).toBe('TlsRejected');
  });
});

describe('plugins', () => {
  it('are activated and deactivated by the links of their row, once', () =>
    withSession(async (session) => {
      await session.activatePlugin('demo/demo.php');
      await session.activatePlugin('demo/demo.php');
      expect(asked.filter(({ url }) => url.includes('action=activate')).length).toBe(1);
      expect(await session.plugin('demo/demo.php')).toEqual({ active: true, version: '1.0' });
      await session.deactivatePlugin('demo/demo.php');
      expect(await session.plugin('demo/demo.php')).toEqual({ active: false, version: '1.0' });
    }));

  it('are uploaded with the nonce of the form', () =>
    withSession(async (session) => {
      answers = {
        'POST /wp-admin/update.php':
          '<a href="plugins.php?action=activate&amp;plugin=demo%2Fdemo.php&amp;_wpnonce=n">Activate</a>',
      };
      await session.uploadPlugin(Buffer.from('zip-content'), 'demo.zip');
      const sent = asked.at(-1)?.body ?? '';
      expect(sent).toMatch(/name="_wpnonce"\s+upload-nonce/);
      expect(sent).toMatch(/name="pluginzip"; filename="demo.zip"[\s\S]+zip-content/);
    }));

  it('are replaced by the link that WordPress offers', () =>
    withSession(async (session) => {
      answers = {
        'POST /wp-admin/update.php':
          '<a href="update.php?action=upload-plugin&amp;package=7&amp;overwrite=update-plugin&amp;_wpnonce=n">Replace</a>',
        'GET /wp-admin/update.php': '<p>Plugin updated successfully.</p>',
      };
      await session.replacePlugin(Buffer.from('zip'), 'demo.zip');
      expect(asked.at(-1)?.url).toContain('package=7');
    }));

  it('are updated and deleted by script, and the answer is read', () =>
    withSession(async (session) => {
      expect(await session.updatePlugin('demo/demo.php', 'demo')).toEqual({
        oldVersion: '1.0',
        newVersion: '1.2',
      });
      expect(asked.at(-1)?.body).toContain('_ajax_nonce=0123456789');
      await session.deletePlugin('demo/demo.php');
      expect(await session.plugin('demo/demo.php')).toBeNull();
    }));

  it.each([
    [
      'says no with status 200',
      {
        'POST /wp-admin/admin-ajax.php':
          '{"success":false,"data":{"errorMessage":"<b>No</b> room"}}',
      },
      'update-plugin of demo/demo.php failed: No room',
    ],
    [
      'answers no JSON',
      { 'POST /wp-admin/admin-ajax.php': '0' },
      'update-plugin of demo/demo.php failed',
    ],
    ['has no nonce', { 'GET /wp-admin/plugins.php': bar }, 'plugins.php has no update nonce'],
    [
      'asks for FTP',
      { 'GET /wp-admin/plugins.php': '<form id="request-filesystem-credentials-form"></form>' },
      'it cannot write files',
    ],
  ])('are SiteBroken when WordPress %s', (_name, given, expected) =>
    withSession(async (session) => {
      answers = given;
      const [type, message] = await failing(session.updatePlugin('demo/demo.php', 'demo'));
      expect(type).toBe('SiteBroken');
      expect(message).toContain(expected);
    }),
  );
});

it('a session goes on elsewhere with its cookies, and not without them', async () => {
  await withSession(async (session) => {
    const resumed = resumeAdminSession({ ...options(), cookies: session.cookies });
    expect(await resumed.plugin('demo/demo.php')).not.toBeNull();
    await resumed.close();
  });
});
