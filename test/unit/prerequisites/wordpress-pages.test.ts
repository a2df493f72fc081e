import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CookieJar } from '../../../src/activities/wordpress-admin/cookies.ts';
import {
  ajaxNonce,
  formOf,
  isFatal,
  isLoggedIn,
  linkWith,
  pluginRow,
  whatIsShown,
} from '../../../src/activities/wordpress-admin/pages.ts';
import { percentile, record } from '../../../src/activities/visitors/histogram.ts';
import { assetOf, firstPost, postOfFeed } from '../../../src/activities/visitors/visitor.ts';

const page = (html: string, status = 200) => ({ path: '/wp-admin/plugins.php', status, html });

describe('pages of wp-admin', () => {
  it('give the fields of a form, not its buttons', () => {
    const form = formOf(
      page(`<form method="post" enctype="multipart/form-data" class="wp-upload-form" action="https://acme.test/wp-admin/update.php?action=upload-plugin">
        <input type="hidden" id="_wpnonce" name="_wpnonce" value="abc123" /><input type="hidden" name="_wp_http_referer" value="/wp-admin/plugin-install.php?tab=upload" />
        <label class="screen-reader-text" for="pluginzip">Plugin zip file</label><input type="file" id="pluginzip" name="pluginzip" accept=".zip" />
        <input type="submit" name="install-plugin-submit" value="Install Now" disabled /></form>`),
      'form.wp-upload-form',
    );
    expect(form?.fields).toEqual({
      _wpnonce: 'abc123',
      _wp_http_referer: '/wp-admin/plugin-install.php?tab=upload',
    });
  });

  it('give links by what they do, relative ones too, with entities decoded', () => {
    const html = `<a href="plugins.php?action=activate&amp;plugin=a%2Fa.php&amp;_wpnonce=1">Activate</a>
      <a href="https://acme.test/wp-admin/plugins.php?action=activate&#038;plugin=b%2Fb.php&#038;_wpnonce=2">Activate</a>
      <a href="plugins.php?action=activate&plugin=c/c.php">no nonce</a><a href="http://[bad">x</a>`;
    const link = (plugin: string) => linkWith(page(html), { action: 'activate', plugin });
    expect(link('a/a.php')).toBe(
      '/wp-admin/plugins.php?action=activate&plugin=a%2Fa.php&_wpnonce=1',
    );
    expect(link('b/b.php')).toContain('_wpnonce=2');
    expect(link('c/c.php')).toBeNull();
  });

  it('give the nonce of updates', () => {
    const html =
      '<script>var _wpUpdatesSettings = {"ajax_nonce":"0123456789","plugins":{"all":["a"]}};</script>';
    expect(ajaxNonce(page(html))).toBe('0123456789');
    expect(ajaxNonce(page('<p>nothing</p>'))).toBeNull();
  });

  it('list plugins with state and version', () => {
    const html = `<table><tr class="active" data-slug="a" data-plugin="a/a.php"><td><div class="plugin-version-author-uri">Version 5.3.1 | By X</div></td></tr>
      <tr class="inactive" data-slug="h" data-plugin="hello.php"><td></td></tr></table>`;
    expect(pluginRow(page(html), 'a/a.php')).toEqual({ active: true, version: '5.3.1' });
    expect(pluginRow(page(html), 'hello.php')).toEqual({ active: false, version: '' });
    expect(pluginRow(page(html), 'other.php')).toBeNull();
  });

  it('say what is shown, and nothing of their fields', () => {
    const html = `<title>Plugins</title><div class="notice notice-error"><p>Could not   create directory.</p></div><input name="_wpnonce" value="abc123">`;
    expect(whatIsShown(page(html, 200))).toBe('status 200, "Plugins": Could not create directory.');
  });

  it('are fatal when PHP died', () => {
    expect(isFatal(page('<p>There has been a critical error on this website.</p>', 200))).toBe(
      true,
    );
    expect(isFatal(page('', 502))).toBe(true);
    expect(isFatal(page('<p>ok</p>'))).toBe(false);
  });

  it('show the admin bar only to who is logged in', () => {
    expect(isLoggedIn(page('<div id="wpadminbar"></div>'))).toBe(true);
    expect(isLoggedIn(page('<form id="loginform"></form>'))).toBe(false);
  });
});

describe('cookies', () => {
  it('go where their path says, and are forgotten when they expire', () => {
    const jar = new CookieJar();
    jar.store(
      [
        'wordpress_sec_x=planted-1; path=/wp-content/plugins; secure; HttpOnly',
        'wordpress_sec_x=planted-2; path=/wp-admin; secure; HttpOnly',
        'wordpress_logged_in_x=planted-3; path=/; secure',
      ],
      '/wp-login.php',
    );
    expect(jar.header('/wp-admin/plugins.php')).toBe(
      'wordpress_sec_x=planted-2; wordpress_logged_in_x=planted-3',
    );
    expect(jar.header('/wp-administrator')).toBe('wordpress_logged_in_x=planted-3');
    expect(`${JSON.stringify(jar)} ${inspect(jar)}`).not.toContain('planted');
    jar.store('wordpress_logged_in_x=; expires=Thu, 01 Jan 1970 00:00:01 GMT; path=/', '/');
    expect(jar.header('/')).toBe('');
  });
});

describe('what visitors look at', () => {
  const base = new URL('https://acme.test');
  it('is a post of the site itself', () => {
    expect(firstPost('[{"link":"https://acme.test/2026/hello/"}]', base)).toBe('/2026/hello/');
    expect(firstPost('[{"link":"https://other.test/hello/"}]', base)).toBeNull();
    expect(firstPost('[]', base)).toBeNull();
    expect(firstPost('<html>', base)).toBeNull();
    const feed =
      '<channel><link>https://acme.test</link><item><link>https://acme.test/?p=5&#038;a=1</link></item>';
    expect(postOfFeed(feed, base)).toBe('/?p=5&a=1');
  });

  it('is a static file of the site itself', () => {
    const html = `<link href="https://fonts.test/wp-content/x.css"><link rel='stylesheet' href='https://acme.test/wp-includes/css/a.min.css?ver=6.8' />`;
    expect(assetOf(html, base)).toBe('/wp-includes/css/a.min.css?ver=6.8');
    expect(assetOf('<p>', base)).toBeNull();
  });
});

describe('the histogram', () => {
  it('knows percentiles to five per cent', () => {
    const histogram = {};
    for (let ms = 1; ms <= 1000; ms += 1) record(histogram, ms);
    expect(percentile(histogram, 0.95)).toBeGreaterThanOrEqual(950);
    expect(percentile(histogram, 0.95)).toBeLessThanOrEqual(950 * 1.06);
    expect(Object.keys(histogram).length).toBeLessThan(150);
    expect(percentile({}, 0.95)).toBeNull();
  });
});
