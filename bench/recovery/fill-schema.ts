/** A database like WordPress's: few long rows in posts, many short ones in their metadata. */
import { createHash } from 'node:crypto';
import type { Connection } from 'mysql2/promise';

const postBytes = 7_600;
const metaBytes = 150;

const tables = [
  `CREATE TABLE wp_posts (
    ID bigint unsigned NOT NULL AUTO_INCREMENT, post_date datetime NOT NULL, post_title text NOT NULL,
    post_content longtext NOT NULL, post_status varchar(20) NOT NULL DEFAULT 'publish',
    PRIMARY KEY (ID), KEY status_date (post_status, post_date)) DEFAULT CHARSET = utf8mb4`,
  `CREATE TABLE wp_postmeta (
    meta_id bigint unsigned NOT NULL AUTO_INCREMENT, post_id bigint unsigned NOT NULL, meta_key varchar(255),
    meta_value longtext, PRIMARY KEY (meta_id), KEY post_id (post_id), KEY meta_key (meta_key(191)))
    DEFAULT CHARSET = utf8mb4`,
];

/**
 * Makes the schema anew with three quarters of `bytes` in posts and one quarter in metadata. Text is random words; every row
 * has something of its own, so that no part of the dump repeats another one.
 */
export async function fillSchema(
  connection: Connection,
  schema: string,
  bytes: number,
): Promise<void> {
  await connection.query(`DROP DATABASE IF EXISTS \`${schema}\``);
  await connection.query(`CREATE DATABASE \`${schema}\` CHARACTER SET utf8mb4`);
  await connection.query(`USE \`${schema}\``);
  for (const table of tables) await connection.query(table);

  const posts = Math.max(1, Math.round((bytes * 0.75) / postBytes));
  await insertRows(
    connection,
    posts,
    100,
    'wp_posts (post_date, post_title, post_content)',
    (n) => [
      new Date(Date.UTC(2020, 0, 1) + n * 3_600_000),
      `Post ${n}`,
      text(`post ${n}`, postBytes),
    ],
  );
  const metas = Math.max(1, Math.round((bytes * 0.25) / metaBytes));
  await insertRows(connection, metas, 4_000, 'wp_postmeta (post_id, meta_key, meta_value)', (n) => [
    1 + (n % posts),
    `_key_${n % 40}`,
    text(`meta ${n}`, metaBytes - 30),
  ]);
  await connection.query('ANALYZE TABLE wp_posts, wp_postmeta');
}

async function insertRows(
  connection: Connection,
  count: number,
  perStatement: number,
  into: string,
  row: (index: number) => unknown[],
): Promise<void> {
  for (let from = 0; from < count; from += perStatement) {
    const rows = Array.from({ length: Math.min(perStatement, count - from) }, (_, index) =>
      row(from + index),
    );
    await connection.query(`INSERT INTO ${into} VALUES ?`, [rows]);
  }
}

const words = Array.from({ length: 4_000 }, (_, index) =>
  createHash('sha256')
    .update(`word ${index}`)
    .digest('base64url')
    .slice(0, 2 + (index % 9)),
);

/** Words that follow from `seed`, `length` characters of them. */
function text(seed: string, length: number): string {
  let state = createHash('sha256').update(seed).digest().readUInt32LE(0) | 1;
  const parts: string[] = [];
  for (let size = 0; size < length;) {
    // xorshift32: fast, and the same everywhere.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const word = words[(state >>> 0) % words.length]!;
    parts.push(word);
    size += word.length + 1;
  }
  return parts.join(' ').slice(0, length);
}
