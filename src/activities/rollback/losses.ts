import type { Connection } from 'mysql2/promise';
import type { Losses } from '../../domain/planners/rollback-facts.ts';
import { quoted, rowsOf, tablesOf } from './sql.ts';

/** Kinds of posts that WordPress makes for itself; nobody misses them. */
const ownPostTypes = ['revision', 'customize_changeset', 'oembed_cache', 'user_request'];

/**
 * What was made or changed in a WordPress database since a time: posts by type, orders (as posts or in WooCommerce's own
 * table), comments, users; in every site of a multisite. A table that is not there counts as nothing lost from it.
 *
 * @param prefix WordPress's table prefix.
 * @param since ISO 8601.
 */
export async function countLosses(
  connection: Connection,
  schema: string,
  prefix: string,
  since: string,
): Promise<Losses> {
  const tables = new Set(await tablesOf(connection, schema));
  const time = new Date(since).toISOString().slice(0, 19).replace('T', ' ');
  // `wp_` and, on a multisite, `wp_2_` and so on.
  const ofSite = (name: string) =>
    [...tables].filter((table) => {
      const rest = table.startsWith(prefix) ? table.slice(prefix.length) : '';
      return rest.replace(/^\d+_/, '') === name && rest !== '';
    });
  const losses: Losses = {
    since,
    posts: {},
    orders: { made: 0, changed: 0 },
    comments: 0,
    users: 0,
    uncounted: ['posts', 'comments', 'users']
      .map((name) => `${prefix}${name}`)
      .filter((name) => !tables.has(name)),
  };
  for (const table of ofSite('posts')) {
    // A post that is planned has its date in the future, whenever it was written.
    const rows = await rowsOf<{ type: string; made: number; changed: number }>(
      connection,
      `SELECT post_type AS type,
        CAST(SUM(post_date_gmt > ? AND post_status <> 'future') AS SIGNED) AS made, COUNT(*) AS changed
        FROM ${quoted(schema, table)}
        WHERE (post_modified_gmt > ? OR (post_date_gmt > ? AND post_status <> 'future'))
          AND post_status <> 'auto-draft' AND post_type NOT IN (?, ?, ?, ?)
        GROUP BY post_type`,
      [time, time, time, ...ownPostTypes],
    );
    for (const { type, made, changed } of rows) {
      if (/^shop_order/.test(type)) {
        // Where WooCommerce keeps orders in its own table, these are their shadows.
        if (!hasOrderTable(tables, table)) add(losses.orders, made, changed);
        continue;
      }
      const entry = (losses.posts[type] ??= { made: 0, changed: 0 });
      add(entry, made, changed);
    }
  }
  for (const table of ofSite('wc_orders')) {
    const [row] = await rowsOf<{ made: number; changed: number }>(
      connection,
      `SELECT CAST(IFNULL(SUM(date_created_gmt > ?), 0) AS SIGNED) AS made, COUNT(*) AS changed
        FROM ${quoted(schema, table)}
        WHERE (date_updated_gmt > ? OR date_created_gmt > ?) AND type LIKE 'shop\\_order%'
          AND status NOT IN ('auto-draft', 'wc-checkout-draft')`,
      [time, time, time],
    );
    if (row !== undefined) add(losses.orders, row.made, row.changed);
  }
  for (const table of ofSite('comments')) {
    losses.comments += await count(
      connection,
      `SELECT COUNT(*) AS found FROM ${quoted(schema, table)}
        WHERE comment_date_gmt > ? AND comment_type NOT IN ('order_note', 'action_log')`,
      time,
    );
  }
  if (tables.has(`${prefix}users`)) {
    losses.users = await count(
      connection,
      `SELECT COUNT(*) AS found FROM ${quoted(schema, `${prefix}users`)} WHERE user_registered > ?`,
      time,
    );
  }
  return losses;
}

/** Whether everything was counted, and nothing found. */
export function nothingLost({ posts, orders, comments, users, uncounted }: Losses): boolean {
  return (
    uncounted.length === 0 &&
    Object.keys(posts).length === 0 &&
    orders.made + orders.changed + comments + users === 0
  );
}

/**
 * The table prefix by the names of a schema's tables, where WordPress itself cannot be asked; null when they are of no WordPress
 * or of several.
 */
export function prefixAmong(tables: readonly string[]): string | null {
  const names = new Set(tables);
  const found = tables
    .filter((name) => name.endsWith('options'))
    .map((name) => name.slice(0, -'options'.length))
    // The sites of a multisite share one table of users.
    .filter((prefix) => names.has(`${prefix}posts`) && names.has(`${prefix}users`));
  return found.length === 1 ? (found[0] ?? null) : null;
}

/** What was made is not counted among the changed once more. */
function add(entry: { made: number; changed: number }, made: number, touched: number): void {
  entry.made += Number(made);
  entry.changed += Number(touched) - Number(made);
}

function hasOrderTable(tables: Set<string>, postsTable: string): boolean {
  return tables.has(postsTable.replace(/posts$/, 'wc_orders'));
}

async function count(connection: Connection, sql: string, time: string): Promise<number> {
  const [row] = await rowsOf<{ found: number }>(connection, sql, [time]);
  return Number(row?.found ?? 0);
}
