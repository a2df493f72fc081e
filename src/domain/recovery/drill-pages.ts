import type { CriterionResult } from '../criterion.ts';
import type { JsonObject } from '../json.ts';
import { drillCriterion, notMeasured, type DrillCriterion } from './drill-criteria.ts';
import type { WordPressPart } from './point.ts';

/** One request of the Job that asks for pages. */
export interface PageRequest {
  /** A criterion's id, or `media`. */
  id: string;
  path: string;
  /** Fixed texts of which the page must hold each; the Job says which it found. */
  expected: string[];
  /** Words of which the body must hold the half; the Job counts them. */
  words?: string[];
  /** Path of a page of the site; the Job counts the places where the page names it, whole. */
  link?: string;
}

/** What the Job saw. */
export interface PageAnswer {
  id: string;
  path: string;
  /** 0 when there was no answer. */
  status: number;
  ms: number;
  bytes: number;
  /** SHA-256 of the body, hexadecimal. */
  sha256: string;
  /** Text of the first <title>, as in the page; '' when there is none. */
  title: string;
  found: boolean[];
  /** How many of the words are in the body. */
  words: number;
  /** How often the page names the link. */
  links: number;
  /** Value of the header that says that the request ran sealed off; '' when it was absent. */
  sealed: string;
}

export interface MediaSample {
  path: string;
  bytes: number;
  sha256: string;
}

/** Pages that are asked for after a restore, and what must be in them. `admin` pages are asked after the login. */
export function pageRequests(
  wordpress: WordPressPart,
  media: readonly MediaSample[],
): PageRequest[] {
  const { post } = wordpress.samples;
  return [
    { id: 'front-page', path: '/', expected: ['</html>'], words: wordsOf(wordpress, 'front-page') },
    ...(post === null
      ? []
      : [
          {
            id: 'post',
            path: post.path,
            expected: ['</html>'],
            words: wordsOf(wordpress, 'post'),
          },
          {
            id: 'search',
            path: `/?s=${encodeURIComponent(`"${post.title}"`)}`,
            expected: ['</html>', post.path],
            link: post.path,
          },
        ]),
    { id: 'login', path: '/wp-login.php', expected: ['id="loginform"'] },
    { id: 'wp-admin', path: '/wp-admin/', expected: ['id="wpadminbar"', 'id="adminmenu"'] },
    ...media.map(({ path }) => ({ id: 'media', path, expected: [] })),
  ];
}

/** A word that no post has: what a page of results shows all the same is in its frame, a list of recent posts for one. */
const nowhere = 'qzxvwjkqpresslift';

/** What a drill asks for: the same, and a search that must find nothing, to compare the one with that must find the post. */
export function drillPageRequests(
  wordpress: WordPressPart,
  media: readonly MediaSample[],
): PageRequest[] {
  const { post } = wordpress.samples;
  const control =
    post === null
      ? []
      : [{ id: 'search-control', path: `/?s=${nowhere}`, expected: [], link: post.path }];
  return [...control, ...pageRequests(wordpress, media)];
}

/** Words that a page must show. Where visitors' own page is not known, those of the post's title, which themes print. */
function wordsOf({ samples }: WordPressPart, id: 'front-page' | 'post'): string[] {
  if (id === 'front-page') return samples.served?.frontPage?.words ?? [];
  return samples.served?.post?.words ?? samples.post?.title.match(/\p{L}{5,}/gu) ?? [];
}

/**
 * The title that a page must have, or null where it is not known. WordPress's own is none: plugins make others, and a recovery
 * point is not bad for them.
 */
function titleOf({ samples }: WordPressPart, id: DrillCriterion): string | null {
  if (id === 'front-page') return samples.served?.frontPage?.title ?? null;
  return id === 'post' ? (samples.served?.post?.title ?? null) : null;
}

/** The copy has another host, also where a title names it. */
const withoutHosts = (title: string) => title.replace(/[\w-]+(\.[\w-]+)+/g, '');

/** Criteria of the pages. `login` is what came back after the form was sent. */
export function pageCriteria(
  wordpress: WordPressPart,
  answers: readonly PageAnswer[],
): CriterionResult[] {
  const { post } = wordpress.samples;
  const requests = pageRequests(wordpress, []);
  const page = (id: DrillCriterion) => {
    const answer = answers.find((one) => one.id === id);
    if (answer === undefined) return notMeasured(id, 'it was not asked for');
    const title = titleOf(wordpress, id);
    const words = requests.find((one) => one.id === id)?.words ?? [];
    const control = answers.find((one) => one.id === 'search-control');
    if (id === 'search' && !(control !== undefined && control.status > 0 && control.status < 500)) {
      return notMeasured(id, 'the search to compare it with has no answer');
    }
    // Every page may name the newest post; that of the results names it once more.
    const finds = id !== 'search' || answer.links > (control?.links ?? 0);
    const titled = title === null || sameText(withoutHosts(answer.title), withoutHosts(title));
    const shows = answer.words * 2 >= words.length;
    return drillCriterion(id, {
      pass: answer.status === 200 && titled && shows && finds && answer.found.every(Boolean),
      measured: answer.status,
      target: 200,
      evidence: {
        ...evidenceOf(answer, title),
        ...(words.length > 0 && { words: `${answer.words} of ${words.length}` }),
        ...(id === 'search' && { links: answer.links, linksWithoutFinding: control?.links ?? 0 }),
      },
    });
  };
  return [
    page('front-page'),
    ...(['post', 'search'] as const).map((id) =>
      post === null ? notMeasured(id, 'the recovery point names no post') : page(id),
    ),
    page('login'),
    page('wp-admin'),
  ];
}

function evidenceOf(answer: PageAnswer, title: string | null): JsonObject {
  return {
    path: answer.path,
    ms: answer.ms,
    bytes: answer.bytes,
    title: answer.title.slice(0, 120),
    ...(title !== null && { expectedTitle: title.slice(0, 120) }),
    contentFound: answer.found.every(Boolean),
  };
}

export interface MediaFound {
  /** Attachments whose files WordPress keeps on disk. */
  attachments: number;
  missing: number;
  missingPaths: string[];
  sample: MediaSample[];
}

/** The criterion of the media library: every file on the disk, and the sample served as it is there. */
export function mediaCriterion(
  media: MediaFound,
  answers: readonly PageAnswer[],
  wanted: number,
): CriterionResult {
  const asked = answers.filter(({ id }) => id === 'media');
  const wrong = media.sample.filter(({ path, sha256 }) => {
    const answer = asked.find((one) => one.path === path);
    return answer?.status !== 200 || answer.sha256 !== sha256;
  });
  const enough = media.sample.length >= Math.min(wanted, media.attachments - media.missing);
  return drillCriterion('missing-media', {
    pass: media.missing === 0 && wrong.length === 0 && enough,
    measured: {
      attachments: media.attachments,
      missing: media.missing,
      served: asked.length - wrong.length,
    },
    target: { missing: 0, served: media.sample.length },
    evidence: {
      missing: media.missingPaths.slice(0, 20),
      wrong: wrong.slice(0, 20).map(({ path }) => ({
        path,
        status: asked.find((one) => one.path === path)?.status ?? null,
      })),
    },
  });
}

/** That PHP answered sealed off: the header is on every page that PHP made. */
export function sealedPages(
  answers: readonly PageAnswer[],
  seal: string,
): { asked: number; sealed: number } {
  const pages = answers.filter(({ id, status }) => id !== 'media' && status !== 0);
  return { asked: pages.length, sealed: pages.filter(({ sealed }) => sealed === seal).length };
}

/** Whether a page's title has the words that are expected: quotes and dashes of WordPress's typography count as plain ones. */
export function sameText(found: string, expected: string): boolean {
  const plain = plainText(expected);
  return plain === ''
    ? plainText(found) !== '' || found === expected
    : plainText(found).includes(plain);
}

const entities: Record<string, string> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  ndash: '-',
  mdash: '-',
  hellip: '...',
  lsquo: "'",
  rsquo: "'",
  ldquo: '"',
  rdquo: '"',
};

function plainText(html: string): string {
  return html
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
      if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(String(hex), 16));
      return entities[String(name).toLowerCase()] ?? whole;
    })
    .normalize('NFC')
    .replace(/[\u2018\u2019\u201a\u2032]/g, "'")
    .replace(/[\u201c\u201d\u201e\u2033]/g, '"')
    .replace(/[\u2010-\u2015]/g, '-')
    .replace(/\u2026/g, '...')
    .replace(/-{2,}/g, '-')
    .replace(/[\s\u00a0]+/g, ' ')
    .trim();
}
