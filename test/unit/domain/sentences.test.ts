import { expect, test } from 'vitest';
import { sentences } from '../../../src/domain/sentences.ts';

test.each([
  [['There is no bucket x', 'Check the name.'], 'There is no bucket x. Check the name.'],
  [['It said no.', 'Ask again.'], 'It said no. Ask again.'],
  [['Who is that?', 'Nobody!'], 'Who is that? Nobody!'],
  [['It said "no."', 'Ask again'], 'It said "no." Ask again.'],
  [['one of: a, b', ''], 'one of: a, b.'],
])('%j', (texts, text) => {
  expect(sentences(...texts)).toBe(text);
});
