// The pure part of the database manifest: what rows of the server become, and what counts as a difference. What the SQL
// computes is proved on real servers in test/activities/recovery/database-manifest.test.ts.
import { describe, expect, it } from 'vitest';
import {
  batchRows,
  compareDatabases,
  definitionStatements,
  describeDifferences,
  manifestSession,
  parseManifest,
  sameDatabases,
  tableStatements,
  type ManifestRow,
} from '../../../src/domain/recovery/database-manifest.ts';
import type { DatabaseManifest } from '../../../src/domain/recovery/point.ts';

const digest = (letter: string) => letter.repeat(64);
const whole: ManifestRow[] = [
  ['schema', 'wordpress', 'utf8mb4', 'utf8mb4_bin'],
  ['structure', 'wp_posts', digest('a')],
  ['structure', 'wp_options', digest('b')],
  ['trigger', 'stamp', digest('c')],
  ['routine', 'procedure tidy', digest('d')],
  ['event', 'nightly', digest('e')],
  ['view', 'titles', digest('f')],
  ['table', 'wp_posts', 2, '18446744073709551871'],
  ['table', 'wp_options', '3', '1'],
];

const without = (kind: string, name: string) =>
  whole.filter((row) => row[0] !== kind || row[1] !== name);
const withRow = (...row: ManifestRow) => [...without(String(row[0]), String(row[1])), row];
const manifest = (rows: ManifestRow[]) => parseManifest('wordpress', rows);

describe('the manifest of rows', () => {
  it('sorts tables by name and takes sums modulo 2^64', () => {
    expect(manifest(whole).tables).toEqual([
      {
        name: 'wp_options',
        rows: 3,
        checksum: '0000000000000001',
        structure: `sha256:${digest('b')}`,
      },
      {
        name: 'wp_posts',
        rows: 2,
        checksum: '00000000000000ff',
        structure: `sha256:${digest('a')}`,
      },
    ]);
  });

  it('is the same in any order of rows', () => {
    expect(manifest([...whole].reverse())).toEqual(manifest(whole));
  });

  it.each<[string, ManifestRow[], RegExp]>([
    ['no schema', without('schema', 'wordpress'), /no database wordpress/],
    ['a table without structure', without('structure', 'wp_posts'), /wp_posts came or went/],
    ['a structure without rows', without('table', 'wp_options'), /wp_options came or went/],
    [
      'rows that could not be hashed',
      withRow('table', 'wp_posts', 2, '1000007684485815948331322059020'),
      /1 rows of table wp_posts are too large/,
    ],
    ['a digest that is none', withRow('trigger', 'stamp', ''), /no digest/],
    ['an unknown kind', [...whole, ['sequence', 'x', '1']], /no rows of kind/],
    [
      'a table row cut off',
      withRow('table', 'wp_posts', 2),
      /no sum of the rows of table wp_posts/,
    ],
  ])('refuses %s', (_, rows, message) => {
    expect(() => manifest(rows)).toThrow(message);
  });

  it('comes out of the batch output of the client as from the driver', () => {
    const output = whole.map((row) => row.join('\t')).join('\n');
    expect(manifest(batchRows(`${output}\n`))).toEqual(manifest(whole));
    expect(batchRows('table\ta\\tb\\nc\\\\d\\0\t1\n')).toEqual([['table', 'a\tb\nc\\d\0', '1']]);
  });
});

describe('the comparison', () => {
  const expected = manifest(whole);
  it('finds nothing where only the name of the schema differs', () => {
    const found: DatabaseManifest = { ...expected, schema: 'presslift_drill_x' };
    expect(sameDatabases(compareDatabases(expected, found))).toBe(true);
    expect(describeDifferences(compareDatabases(expected, found))).toEqual([]);
  });

  it.each<[string, ManifestRow[], string]>([
    [
      'a missing table',
      without('table', 'wp_posts').filter((row) => row[1] !== 'wp_posts'),
      'missing table wp_posts',
    ],
    [
      'an extra table',
      [...whole, ['table', 'x', 0, '0'], ['structure', 'x', digest('0')]],
      'unknown table x',
    ],
    ['lost rows', withRow('table', 'wp_posts', 1, '5'), 'table wp_posts has 1 rows instead of 2'],
    ['other content', withRow('table', 'wp_posts', 2, '5'), 'other content in table wp_posts'],
    [
      'another structure',
      withRow('structure', 'wp_posts', digest('9')),
      'other structure of table wp_posts',
    ],
    ['a missing trigger', without('trigger', 'stamp'), 'trigger stamp'],
    [
      'another routine',
      withRow('routine', 'procedure tidy', digest('9')),
      'routine procedure tidy',
    ],
    ['a new event', [...whole, ['event', 'hourly', digest('9')]], 'event hourly'],
    ['a missing view', without('view', 'titles'), 'view titles'],
    [
      'another character set',
      withRow('schema', 'wordpress', 'latin1', 'latin1_bin'),
      'character set latin1/latin1_bin instead of utf8mb4/utf8mb4_bin',
    ],
  ])('tells %s, and nothing else', (_, rows, sentence) => {
    const differences = compareDatabases(expected, manifest(rows));
    expect(sameDatabases(differences)).toBe(false);
    expect(describeDifferences(differences)).toEqual([sentence]);
  });

  it('knows of a definition that may not be read that it is there', () => {
    const hidden = manifest(withRow('routine', 'procedure tidy', 'hidden'));
    expect(sameDatabases(compareDatabases(expected, hidden))).toBe(true);
    expect(sameDatabases(compareDatabases(hidden, expected))).toBe(true);
    const gone = manifest(without('routine', 'procedure tidy'));
    expect(compareDatabases(hidden, gone).routines).toEqual(['procedure tidy']);
  });
});

describe('the statements', () => {
  it('are single lines, so that a client reads them one by one', () => {
    for (const sql of [...manifestSession, ...definitionStatements('a'), tableStatements('a')]) {
      expect(sql).not.toMatch(/[\n;]\s*$|\n/);
    }
  });

  it('carry the name of a schema as hexadecimal digits alone', () => {
    const name = "x'; DROP DATABASE y; -- `\\";
    const sql = [tableStatements(name), ...definitionStatements(name)].join('\n');
    expect(sql).not.toContain('DROP DATABASE');
    expect(sql).toContain(Buffer.from(name).toString('hex'));
  });
});
