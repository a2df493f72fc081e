/** From what the copy answered to criteria: a page is what visitors got, a search finds, media are those of the library. */
import { describe, expect, test } from 'vitest';
import type { CriterionResult } from '../../../src/domain/criterion.ts';
import { isUnmeasured } from '../../../src/domain/recovery/drill-criteria.ts';
import {
  drillPageRequests,
  mediaCriterion,
  pageCriteria,
  pageRequests,
  sameText,
  sealedPages,
  type MediaFound,
  type PageAnswer,
} from '../../../src/domain/recovery/drill-pages.ts';
import type { WordPressPart } from '../../../src/domain/recovery/point.ts';

const failed = (criteria: CriterionResult[]) =>
  criteria.filter(({ pass }) => !pass).map(({ id }) => id);

const wordpress = {
  samples: {
    frontPageTitle: 'Acme',
    post: { path: '/note/', title: "The gardener's note -- 2" },
    served: {
      frontPage: { title: 'Acme &#8211; Everything', words: ['garden', 'spade', 'seeds', 'roses'] },
      post: { title: 'The note | Best of Acme', words: ['gardener', 'plants', 'trees'] },
    },
  },
} as WordPressPart;
/** As where the site's name did not lead there from the worker. */
const unserved: WordPressPart = {
  ...wordpress,
  samples: { ...wordpress.samples, served: { frontPage: null, post: null } },
};

const answer = (id: string, path: string, change: Partial<PageAnswer> = {}): PageAnswer => ({
  id,
  path,
  status: 200,
  ms: 100,
  bytes: 1000,
  sha256: 'f'.repeat(64),
  title: '',
  found: [true],
  words: 0,
  links: 0,
  sealed: 'seal',
  ...change,
});

const pages = (): Record<string, PageAnswer> => ({
  'front-page': answer('front-page', '/', { title: 'Acme – Everything', words: 4 }),
  post: answer('post', '/note/', { title: 'The note | Best of Acme', words: 3 }),
  search: answer('search', '/?s=x', { links: 2 }),
  login: answer('login', '/wp-login.php', { found: [true, true] }),
  'wp-admin': answer('wp-admin', '/wp-admin/', { found: [true, true] }),
  'search-control': answer('search-control', '/?s=qzxv', { links: 1, status: 404 }),
});
const asked = Object.keys(pages()).filter((id) => id !== 'search-control');

describe('pages', () => {
  test('all well, with the typography that WordPress makes of titles', () => {
    expect(failed(pageCriteria(wordpress, Object.values(pages())))).toEqual([]);
  });

  test('with titles of a plugin, and nothing known of what visitors saw', () => {
    const seen = pages();
    seen['front-page']!.title = 'Buy spades online';
    seen['post']!.title = 'Buy the note';
    expect(failed(pageCriteria(unserved, Object.values(seen)))).toEqual([]);
    seen['post']!.words = 0;
    expect(failed(pageCriteria(unserved, Object.values(seen)))).toEqual(['post']);
  });

  test.each(['front-page', 'post'])('%s with its title and an empty body fails', (id) => {
    const seen = pages();
    seen[id]!.words = 1;
    expect(failed(pageCriteria(wordpress, Object.values(seen)))).toEqual([id]);
    // Half of them: visitors' own page had an advertisement that the copy has not.
    seen[id]!.words = 2;
    expect(failed(pageCriteria(wordpress, Object.values(seen)))).toEqual([]);
  });

  test('a search that names the post no more often than one for nothing has not found it', () => {
    const seen = pages();
    seen['search']!.links = 1;
    expect(failed(pageCriteria(wordpress, Object.values(seen)))).toEqual(['search']);
  });

  test('a search with nothing to compare it with is not measured', () => {
    const { 'search-control': control, ...others } = pages();
    const broken = [0, 500].map((status) => ({ ...others, control: { ...control!, status } }));
    for (const answers of [others, ...broken]) {
      const criteria = pageCriteria(wordpress, Object.values(answers));
      expect(criteria.filter(isUnmeasured).map(({ id }) => id)).toEqual(['search']);
    }
  });

  test.each<[string, Partial<PageAnswer>]>([
    ['an error', { status: 500 }],
    ['a redirect', { status: 302 }],
    ['no answer', { status: 0, found: [false] }],
    ['other content', { found: [true, false] }],
  ])('%s fails each of them', (_, change) => {
    for (const id of asked) {
      const seen = pages();
      Object.assign(seen[id]!, change);
      expect(failed(pageCriteria(wordpress, Object.values(seen)))).toEqual([id]);
    }
  });

  test('the page of another site fails by its title', () => {
    const seen = pages();
    seen['front-page']!.title = 'Welcome to nginx!';
    expect(failed(pageCriteria(wordpress, Object.values(seen)))).toEqual(['front-page']);
  });

  test('a title may name the host, which the copy has another one of', () => {
    const named = structuredClone(wordpress);
    named.samples.served!.frontPage!.title = 'Acme on acme.presslift.test';
    const seen = pages();
    seen['front-page']!.title = 'Acme on acme.drill.invalid';
    expect(failed(pageCriteria(named, Object.values(seen)))).toEqual([]);
    seen['front-page']!.title = 'Other on acme.drill.invalid';
    expect(failed(pageCriteria(named, Object.values(seen)))).toEqual(['front-page']);
  });

  test('what was not asked for has failed', () => {
    expect(failed(pageCriteria(wordpress, []))).toEqual(asked);
  });

  test('the search is for the words of the post, and must find it', () => {
    const search = pageRequests(wordpress, []).find(({ id }) => id === 'search');
    expect(decodeURIComponent(search?.path ?? '')).toBe('/?s="The gardener\'s note -- 2"');
    expect(search?.expected).toContain('/note/');
    expect(drillPageRequests(wordpress, []).filter(({ link }) => link === '/note/')).toHaveLength(
      2,
    );
  });

  test.each([
    ['Acme &amp; Sons', 'Acme & Sons', true],
    ['Acme&nbsp;Sons', 'Acme Sons', true],
    ['&#x201C;Acme&#x201D;', '"Acme"', true],
    ['Acme…', 'Acme...', true],
    ['', 'Acme', false],
    ['Other', 'Acme', false],
    ['', '', true],
  ])('%j has the words %j: %j', (found, expected, same) => {
    expect(sameText(found, expected)).toBe(same);
  });

  test('a page that PHP made unsealed is counted', () => {
    const seen = [...Object.values(pages()), answer('media', '/a.jpg', { sealed: '' })];
    expect(sealedPages(seen, 'seal')).toEqual({ asked: 6, sealed: 6 });
    seen[1]!.sealed = '';
    expect(sealedPages(seen, 'seal')).toEqual({ asked: 6, sealed: 5 });
  });
});

describe('media', () => {
  const sample = ['/a.jpg', '/b.jpg'].map((path) => ({ path, bytes: 10, sha256: 'f'.repeat(64) }));
  const media: MediaFound = { attachments: 300, missing: 0, missingPaths: [], sample };
  const asked = [answer('media', '/a.jpg'), answer('media', '/b.jpg')];
  test.each<[string, MediaFound, PageAnswer[], number, boolean]>([
    ['all there', media, asked, 2, true],
    ['one missing on the disk', { ...media, missing: 1, missingPaths: ['c.jpg'] }, asked, 2, false],
    ['one not served', media, [asked[0]!, answer('media', '/b.jpg', { status: 404 })], 2, false],
    [
      'one served otherwise',
      media,
      [asked[0]!, answer('media', '/b.jpg', { sha256: '0' })],
      2,
      false,
    ],
    ['one not asked for', media, [asked[0]!], 2, false],
    ['a smaller sample than wanted', media, asked, 20, false],
    ['a library of two', { ...media, attachments: 2 }, asked, 20, true],
    ['no media', { ...media, attachments: 0, sample: [] }, [], 20, true],
  ])('%s', (_, found, answers, wanted, pass) => {
    expect(mediaCriterion(found, answers, wanted).pass).toBe(pass);
  });
});
