import { parse, type HTMLElement } from 'node-html-parser';

/** Reads wp-admin's pages: only what a person would click or fill in, tolerant of everything around it. */
export interface AdminPage {
  /** Path and query that were asked for last. */
  path: string;
  status: number;
  html: string;
}

/** Hidden and other named inputs of a form with their values. */
export interface Form {
  action: string;
  fields: Record<string, string>;
}

/** The page's title and its first notice, for messages; nothing else of the page is quoted. */
export function whatIsShown(page: AdminPage): string {
  const root = parse(page.html);
  const title = text(root.querySelector('title')) || 'no title';
  const notice = noticeOf(root);
  return `status ${page.status}, "${title}"${notice ? `: ${notice}` : ''}`;
}

/** Text of the first error, notice or message on a page; null when there is none. */
export function firstNotice(page: AdminPage): string | null {
  return noticeOf(parse(page.html));
}

const notices = [
  '#login_error',
  '.wp-die-message',
  'body#error-page p',
  '.notice-error',
  '.error',
  '.notice-warning',
  '.wrap > p',
  '.notice',
];

function noticeOf(root: HTMLElement): string | null {
  for (const selector of notices) {
    const found = text(root.querySelector(selector));
    if (found) return found.slice(0, 300);
  }
  return null;
}

function text(element: HTMLElement | null): string {
  return (element?.text ?? '').replace(/\s+/g, ' ').trim();
}

/** Whether the page was shown to somebody who is logged in: it has the admin bar. */
export function isLoggedIn(page: AdminPage): boolean {
  return page.status === 200 && parse(page.html).querySelector('#wpadminbar') !== null;
}

/** Whether WordPress asks for FTP credentials: it cannot write its files itself. */
export function asksForFtp(page: AdminPage): boolean {
  return parse(page.html).querySelector('#request-filesystem-credentials-form') !== null;
}

/** Whether PHP died on the page, which WordPress answers with a page of its own, or not at all. */
export function isFatal(page: AdminPage): boolean {
  return (
    page.status >= 500 ||
    /There has been a critical error on (this|your) website|<b>Fatal error<\/b>/.test(page.html)
  );
}

/** The first form that the selector finds; null when there is none. */
export function formOf(page: AdminPage, selector: string): Form | null {
  const form = parse(page.html).querySelector(selector);
  if (!form) return null;
  const fields: Record<string, string> = {};
  for (const input of form.querySelectorAll('input[name]')) {
    const type = (input.getAttribute('type') ?? 'text').toLowerCase();
    if (['submit', 'button', 'file', 'checkbox', 'radio'].includes(type)) continue;
    fields[input.getAttribute('name') ?? ''] = input.getAttribute('value') ?? '';
  }
  return { action: form.getAttribute('action') ?? '', fields };
}

/** The first link whose address has all the given query parameters, as path and query; null when there is none. */
export function linkWith(page: AdminPage, wanted: Record<string, string>): string | null {
  for (const link of parse(page.html).querySelectorAll('a[href]')) {
    const href = link.getAttribute('href') ?? '';
    const base = new URL(page.path, 'http://admin.invalid');
    if (!URL.canParse(href, base)) continue;
    const url = new URL(href, base);
    const fits = Object.entries(wanted).every(
      ([name, value]) => url.searchParams.get(name) === value,
    );
    if (fits && url.searchParams.has('_wpnonce')) return `${url.pathname}${url.search}`;
  }
  return null;
}

/** The nonce of updates by script, from the settings that WordPress prints for its own scripts. */
export function ajaxNonce(page: AdminPage): string | null {
  const settings = /_wpUpdatesSettings\s*=\s*(\{.*?\});/s.exec(page.html)?.[1];
  return /"ajax_nonce"\s*:\s*"([0-9a-f]+)"/.exec(settings ?? '')?.[1] ?? null;
}

/** The plugin's row on plugins.php: whether it is listed, and whether it is active. */
export function pluginRow(
  page: AdminPage,
  file: string,
): { active: boolean; version: string } | null {
  const row = parse(page.html)
    .querySelectorAll('tr[data-plugin]')
    .find((candidate) => candidate.getAttribute('data-plugin') === file);
  if (!row || row.classList.contains('plugin-update-tr')) return null;
  const version = /Version\s+([^\s|<]+)/.exec(
    text(row.querySelector('.plugin-version-author-uri')),
  );
  return { active: row.classList.contains('active'), version: version?.[1] ?? '' };
}
