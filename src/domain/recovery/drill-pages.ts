import type { CriterionResult } from '../criterion.ts';
import type { Json } from '../json.ts';
import { drillCriterion, notMeasured, type DrillCriterion } from './drill-criteria.ts';
import type { WordPressPart } from './point.ts';

/** One request of the Job that asks for pages. */
export interface PageRequest {
  /** A criterion's id, or `media`. */
  id: string;
  path: string;
  /** Fixed texts of which the page must hold each; the Job says which it found. */
  expected: string[];
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
  /** Value of the header that says that the request ran sealed off; '' when it was absent. */
  sealed: string;
}

export interface MediaSample {
  path: string;
  bytes: number;
  sha256: string;
}

/** Pages that a drill asks for, and what must be in them. `admin` pages are asked after the login. */
export function pageRequests(
  wordpress: WordPressPart,
  media: readonly MediaSample[],
): PageRequest[] {
  const { post } = wordpress.samples;
  return [
    { id: 'front-page', path: '/', expected: ['</html>'] },
    ...(post === null
      ? []
      : [
          { id: 'post', path: post.path, expected: ['</html>'] },
          {
            id: 'search',
            path: `/?s=${encodeURIComponent(`"${post.title}"`)}`,
            expected: ['</html>', post.path],
          },
        ]),
    { id: 'login', path: '/wp-login.php', expected: ['id="loginform"'] },
    { id: 'wp-admin', path: '/wp-admin/', expected: ['id="wpadminbar"', 'id="adminmenu"'] },
    ...media.map(({ path }) => ({ id: 'media', path, expected: [] })),
  ];
}

/** Criteria of the pages. `login` is what came back after the form was sent. */
export function pageCriteria(
  wordpress: WordPressPart,
  answers: readonly PageAnswer[],
): CriterionResult[] {
  const { post, frontPageTitle } = wordpress.samples;
  const page = (id: DrillCriterion, title: string | null) => {
    const answer = answers.find((one) => one.id === id);
    if (answer === undefined) return notMeasured(id, 'it was not asked for');
    const titled = title === null || sameText(answer.title, title);
    return drillCriterion(id, {
      pass: answer.status === 200 && titled && answer.found.every(Boolean),
      measured: answer.status,
      target: 200,
      evidence: evidenceOf(answer, title),
    });
  };
  return [
    page('front-page', frontPageTitle),
    ...(['post', 'search'] as const).map((id) =>
      post === null
        ? notMeasured(id, 'the recovery point names no post')
        : page(id, id === 'post' ? post.title : null),
    ),
    page('login', null),
    page('wp-admin', null),
  ];
}

function evidenceOf(answer: PageAnswer, title: string | null): Json {
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
