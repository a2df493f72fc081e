/** What a recovery point keeps of a page, so that a drill can tell it from an empty one. */
import { expect, test } from 'vitest';
import { servedPage } from '../../../src/domain/recovery/served-page.ts';

const page = (body: string, title = 'Acme &#8211; Garden') =>
  `<html><head><title>${title}</title><meta content="described"></head><body class="bodyclass">${body}</body></html>`;

test('its title and words of its body, once each and as they stand there', () => {
  expect(
    servedPage(page('<h1 class="hidden">Spades</h1><p>Spades and caf&eacute; <b>Gärten</b></p>')),
  ).toEqual({
    title: 'Acme &#8211; Garden',
    words: ['Spades', 'Gärten'],
  });
});

test('nothing that changes with host, hour or program', () => {
  const { words } = servedPage(
    page(
      `<script>scripted</script><style>styled</style><!-- commented -->
       acme.presslift.test mail@example.org https://acme.test/folder 12minutes <i>steady</i>`,
    ),
  ) ?? { words: [] };
  expect(words).toEqual(['steady']);
});

test('at most twenty, from its beginning to its end', () => {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const all = [...letters].flatMap((one) => [...letters].map((two) => `word${one}${two}`));
  const { words } = servedPage(page(all.join(' '))) ?? { words: [] };
  expect(words).toHaveLength(20);
  expect(words[0]).toBe('wordaa');
  expect(words.at(-1)).toMatch(/^wordy/);
});

test('none for an answer without a title', () => {
  expect(servedPage('Error establishing a database connection')).toBeNull();
});
