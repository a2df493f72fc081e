import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptDatabases } from '../../../src/activities/rollback/kept.ts';
import { countLosses, nothingLost, prefixAmong } from '../../../src/activities/rollback/losses.ts';
import { newestBefore } from '../../../src/activities/rollback/verify-layers.ts';
import { startMySql, type TestDatabase } from '../../support/database-servers.ts';

/** What is counted as lost since a time, on a real MySQL with WordPress's and WooCommerce's tables. */

const since = '2026-11-22T03:00:00.000Z';
const before = '2026-11-22 02:59:59';
const after = '2026-11-22 03:00:01';

let server: TestDatabase;
let connection: Connection;

beforeAll(async () => {
  server = await startMySql();
  await server.admin(`CREATE USER adm IDENTIFIED BY 'p'; GRANT ALL PRIVILEGES ON *.* TO adm;`);
  const { host, port, ca } = server;
  connection = await createConnection({
    ...{ host, port, user: 'adm', password: 'p', ssl: { ca }, multipleStatements: true },
  });
});
afterAll(async () => {
  connection?.destroy();
  await server?.stop();
});

const posts = (
  name: string,
) => `CREATE TABLE ${name} (ID INT PRIMARY KEY AUTO_INCREMENT, post_type VARCHAR(20),
  post_status VARCHAR(20), post_date_gmt DATETIME, post_modified_gmt DATETIME);`;

async function schema(name: string, sql: string) {
  await connection.query(
    `DROP DATABASE IF EXISTS ${name}; CREATE DATABASE ${name}; USE ${name}; ${sql}`,
  );
}

const count = (name: string) => countLosses(connection, name, 'wp_', since);

describe('what is lost since a time', () => {
  it('is counted by kind: made, changed, and nothing of before', async () => {
    await schema(
      'shop',
      `${posts('wp_posts')} ${posts('wp_2_posts')}
      INSERT INTO wp_posts (post_type, post_status, post_date_gmt, post_modified_gmt) VALUES
        ('post', 'publish', '${before}', '${before}'), ('post', 'publish', '${before}', '${after}'),
        ('post', 'publish', '${after}', '${after}'), ('post', 'future', '2027-01-01 00:00:00', '${before}'),
        ('post', 'auto-draft', '${after}', '${after}'), ('revision', 'inherit', '${after}', '${after}'),
        ('page', 'draft', '0000-00-00 00:00:00', '${after}'),
        ('shop_order', 'wc-processing', '${after}', '${after}'), ('shop_order', 'wc-completed', '${before}', '${after}');
      INSERT INTO wp_2_posts (post_type, post_status, post_date_gmt, post_modified_gmt) VALUES
        ('post', 'publish', '${after}', '${after}');
      CREATE TABLE wp_comments (comment_ID INT PRIMARY KEY AUTO_INCREMENT, comment_type VARCHAR(20), comment_date_gmt DATETIME);
      INSERT INTO wp_comments (comment_type, comment_date_gmt) VALUES
        ('comment', '${before}'), ('comment', '${after}'), ('review', '${after}'), ('order_note', '${after}');
      CREATE TABLE wp_users (ID INT PRIMARY KEY AUTO_INCREMENT, user_registered DATETIME);
      INSERT INTO wp_users (user_registered) VALUES ('${before}'), ('${after}');
      CREATE TABLE other_posts (ID INT PRIMARY KEY);`.replace(
        'INSERT INTO wp_posts',
        "SET SESSION sql_mode = ''; INSERT INTO wp_posts",
      ),
    );
    expect(await count('shop')).toEqual({
      since,
      posts: { post: { made: 2, changed: 1 }, page: { made: 0, changed: 1 } },
      orders: { made: 1, changed: 1 },
      comments: 2,
      users: 1,
      uncounted: [],
    });
  });

  it("takes orders from WooCommerce's own table where there is one, not from their shadows", async () => {
    await schema(
      'hpos',
      `${posts('wp_posts')}
      INSERT INTO wp_posts (post_type, post_status, post_date_gmt, post_modified_gmt) VALUES
        ('shop_order_placehold', 'draft', '${after}', '${after}'), ('shop_order', 'wc-on-hold', '${after}', '${after}');
      CREATE TABLE wp_wc_orders (id INT PRIMARY KEY, type VARCHAR(20), status VARCHAR(20), date_created_gmt DATETIME, date_updated_gmt DATETIME);
      INSERT INTO wp_wc_orders VALUES (1, 'shop_order', 'wc-processing', '${after}', '${after}'),
        (2, 'shop_order', 'wc-completed', '${before}', '${after}'), (3, 'shop_order', 'wc-completed', '${before}', '${before}'),
        (4, 'shop_order', 'wc-checkout-draft', '${after}', '${after}');`,
    );
    const losses = await count('hpos');
    expect(losses.orders).toEqual({ made: 1, changed: 1 });
    expect(losses.posts).toEqual({});
  });

  it('is nothing where nothing was written, and not known where tables are gone', async () => {
    await schema(
      'quiet',
      `${posts('wp_posts')} CREATE TABLE wp_users (ID INT PRIMARY KEY, user_registered DATETIME);
      CREATE TABLE wp_comments (comment_ID INT PRIMARY KEY, comment_type VARCHAR(20), comment_date_gmt DATETIME);`,
    );
    expect(nothingLost(await count('quiet'))).toBe(true);
    // Gone, or named with another prefix than the one that was asked for.
    await schema('gone', `${posts('shop_posts')}`);
    const losses = await count('gone');
    expect(losses.uncounted).toEqual(['wp_posts', 'wp_comments', 'wp_users']);
    expect(nothingLost(losses)).toBe(false);
    await connection.query(`INSERT INTO quiet.wp_posts (post_type, post_status, post_date_gmt, post_modified_gmt)
      VALUES ('post', 'publish', '${after}', '${after}')`);
    expect(nothingLost(await count('quiet'))).toBe(false);
  });
});

describe('how far a database goes up to a time', () => {
  it('is the highest number of a post and a comment from before it, whatever came after or was imported', async () => {
    await schema(
      'far',
      `${posts('wp_posts')}
      INSERT INTO wp_posts (ID, post_type, post_status, post_date_gmt, post_modified_gmt) VALUES
        (4, 'post', 'publish', '${before}', '${before}'), (7, 'post', 'publish', '${after}', '${after}'),
        (9, 'post', 'publish', '${before}', '${after}');
      CREATE TABLE wp_comments (comment_ID INT PRIMARY KEY, comment_date_gmt DATETIME);
      INSERT INTO wp_comments VALUES (3, '${before}'), (5, '${after}');`,
    );
    expect(await newestBefore(connection, 'far', 'wp_', since)).toEqual({
      wp_posts: 4,
      wp_comments: 3,
    });
    await connection.query('DELETE FROM far.wp_posts; DELETE FROM far.wp_comments');
    expect(await newestBefore(connection, 'far', 'wp_', since)).toEqual({
      wp_posts: 0,
      wp_comments: 0,
    });
  });
});

describe('the table prefix by names of tables', () => {
  const table: [string, string[], string | null][] = [
    ['of one WordPress', ['shop_options', 'shop_posts', 'shop_users', 'x'], 'shop_'],
    ['without any prefix', ['options', 'posts', 'users'], ''],
    ['of a multisite', ['wp_options', 'wp_posts', 'wp_users', 'wp_2_options', 'wp_2_posts'], 'wp_'],
    [
      'is not known of two',
      ['a_options', 'a_posts', 'a_users', 'b_options', 'b_posts', 'b_users'],
      null,
    ],
    ['is not known of none', ['shop_options', 'x'], null],
  ];
  it.each(table)('%s', (_, tables, prefix) => {
    expect(prefixAmong(tables)).toBe(prefix);
  });
});

describe('what rollbacks have kept on a server', () => {
  it("is this site's alone, both schemas of one rollback together", async () => {
    const own = ['presslift_kept_acme_0123456789ab', 'presslift_rollback_acme_0123456789ab'];
    const others = [
      'presslift_kept_other_0123456789ab',
      'presslift_kept_acme_2_0123456789ab',
      'presslift_drill_acme',
    ];
    for (const name of [...own, ...others])
      await schema(name, 'CREATE TABLE t (id INT PRIMARY KEY);');
    expect(await keptDatabases(connection, { name: 'acme' } as never)).toMatchObject([
      { kind: 'database', schemas: own, tables: 2 },
    ]);
  });
});
