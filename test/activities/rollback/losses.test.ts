import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptDatabases } from '../../../src/activities/rollback/kept.ts';
import { countLosses, nothingLost } from '../../../src/activities/rollback/losses.ts';
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

  it('is nothing where nothing was written, and where tables are gone', async () => {
    await schema('quiet', `${posts('wp_posts')}`);
    expect(nothingLost(await count('quiet'))).toBe(true);
    await schema('gone', 'CREATE TABLE x (id INT PRIMARY KEY);');
    expect(nothingLost(await count('gone'))).toBe(true);
    await connection.query(`INSERT INTO quiet.wp_posts (post_type, post_status, post_date_gmt, post_modified_gmt)
      VALUES ('post', 'publish', '${after}', '${after}')`);
    expect(nothingLost(await count('quiet'))).toBe(false);
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
