import { createConnection, type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readJournal, journalTable } from '../../../src/activities/rollback/database-journal.ts';
import { switchBack, switchToPoint } from '../../../src/activities/rollback/database-switch.ts';
import { rowsOf, schemaExists, tablesOf } from '../../../src/activities/rollback/sql.ts';
import { measureDatabase } from '../../../src/activities/recovery/database.ts';
import { Secret } from '../../../src/activities/secrets/index.ts';
import { compareDatabases, sameDatabases } from '../../../src/domain/recovery/database-manifest.ts';
import { startDatabase, type TestDatabase } from '../../support/database-servers.ts';

/**
 * The exchange of tables against real MySQL and MariaDB: what stands where afterwards, and that an interruption after any
 * of its statements ends the same when it is run again. What visitors meet meanwhile is e2e's to prove.
 */

const schemas = { live: 'wordpress', staged: 'presslift_rollback_x', kept: 'presslift_kept_x' };
const now = '2026-11-23T18:00:00Z';

/** One schema of a shop: foreign keys, triggers, views on views, a routine, an event. `mark` is in every row. */
function content(schema: string, mark: string, extra: string): string[] {
  return `
    DROP DATABASE IF EXISTS ${schema};
    CREATE DATABASE ${schema} CHARACTER SET utf8mb4;
    USE ${schema};
    CREATE TABLE wp_options (id INT PRIMARY KEY, value VARCHAR(50));
    CREATE TABLE wp_orders (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(50));
    CREATE TABLE wp_items (id INT PRIMARY KEY, order_id INT, note VARCHAR(50),
      CONSTRAINT item_order FOREIGN KEY (order_id) REFERENCES wp_orders (id));
    CREATE TABLE wp_log (line VARCHAR(100));
    CREATE TABLE ${extra} (id INT PRIMARY KEY);
    INSERT INTO wp_options VALUES (1, '${mark}');
    INSERT INTO wp_orders VALUES (1, '${mark}'), (2, '${mark}');
    INSERT INTO wp_items VALUES (1, 1, '${mark}');
    CREATE TRIGGER orders_log AFTER INSERT ON wp_orders FOR EACH ROW
      INSERT INTO wp_log VALUES (CONCAT('${mark} ', NEW.note));
    CREATE TRIGGER orders_first BEFORE INSERT ON wp_orders FOR EACH ROW SET NEW.note = TRIM(NEW.note);
    CREATE VIEW a_first AS SELECT note, '${mark}' AS mark FROM wp_orders;
    CREATE VIEW b_second AS SELECT * FROM a_first;
    CREATE FUNCTION the_mark() RETURNS VARCHAR(20) DETERMINISTIC RETURN '${mark}';
    CREATE EVENT clean ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DO DELETE FROM wp_log WHERE line = '${mark}'`
    .split(/;\n/)
    .map((statement) => statement.trim());
}

describe.each(['mysql', 'mariadb'] as const)('exchanging tables on %s', (engine) => {
  let server: TestDatabase;
  let root: Connection;

  const connect = (user: string) =>
    createConnection({
      host: '127.0.0.1',
      port: server.port,
      user,
      password: 'pass-word',
      ssl: { ca: server.ca },
    });

  /** A connection that is cut, as by the death of its worker, before the first statement for which `dies` is true. */
  const connectUntil = async (dies: (sql: string) => boolean) => {
    const connection = await connect('adm');
    const query = connection.query.bind(connection);
    connection.query = ((sql: string, ...rest: unknown[]) => {
      if (dies(String(sql))) {
        connection.destroy();
        throw new Error('the worker died');
      }
      return query(sql, ...(rest as []));
    }) as typeof connection.query;
    return connection;
  };

  beforeAll(async () => {
    // MySQL as DigitalOcean sets it up: names may stand in double quotes there.
    const settings = ['log_bin_trust_function_creators=ON', 'sql_mode=ANSI,TRADITIONAL'];
    server = await startDatabase(engine, { settings });
    await server.admin(`
      CREATE USER adm IDENTIFIED BY 'pass-word';
      GRANT ALL PRIVILEGES ON *.* TO adm WITH GRANT OPTION;
      CREATE USER wp IDENTIFIED BY 'pass-word';
      GRANT ALL PRIVILEGES ON wordpress.* TO wp;
    `);
    root = await connect('adm');
  });
  afterAll(async () => {
    root?.destroy();
    await server?.stop();
  });

  beforeEach(async () => {
    for (const statement of [
      ...content('wordpress', 'live', 'wp_new_plugin'),
      ...content('presslift_rollback_x', 'point', 'wp_old_plugin'),
    ]) {
      await root.query(statement);
    }
  });
  afterEach(async () => {
    if (engine === 'mysql' && (await schemaExists(root, schemas.kept))) {
      await root.query(`ALTER DATABASE ${schemas.kept} READ ONLY = 0`);
    }
    for (const schema of Object.values(schemas))
      await root.query(`DROP DATABASE IF EXISTS ${schema}`);
  });

  const marks = async (schema: string) => {
    const tables = await tablesOf(root, schema);
    const [row] = tables.includes('wp_options')
      ? await rowsOf<{ value: string }>(root, `SELECT value FROM ${schema}.wp_options`)
      : [];
    return { tables: tables.filter((name) => name !== journalTable), mark: row?.value ?? null };
  };
  const behaviour = async () => {
    await root.query(`INSERT INTO wordpress.wp_orders (note) VALUES ('  hers ')`);
    const [log] = await rowsOf<{ line: string }>(root, 'SELECT line FROM wordpress.wp_log');
    const [view] = await rowsOf<{ mark: string; n: number }>(
      root,
      'SELECT mark, COUNT(*) AS n FROM wordpress.b_second GROUP BY mark',
    );
    const [of] = await rowsOf<{ f: string }>(root, 'SELECT wordpress.the_mark() AS f');
    return { log: log?.line, view: view && { ...view }, function: of?.f };
  };
  const measure = async (schema: string) => {
    const account = { username: 'adm', password: new Secret('pass-word') };
    return measureDatabase(
      { host: server.host, port: server.port, ca: server.ca, account },
      schema,
    );
  };
  const common = ['wp_items', 'wp_log', 'wp_options', 'wp_orders'];

  it('puts the restored tables in place, keeps the old ones, and comes back as it was', async () => {
    const before = await measure('wordpress');
    const point = await measure('presslift_rollback_x');

    const result = await switchToPoint(root, schemas, now);
    expect(result).toMatchObject({ tables: 5, kept: 5, withoutTheirDefiner: [] });
    expect(result.readOnly).toBe(engine === 'mysql');
    expect(result.triggersUnderLock).toBe(engine === 'mysql');
    expect(compareDatabases(point, await measure('wordpress'))).toMatchObject({
      missingTables: [],
      extraTables: [],
      rows: [],
      changed: [],
      triggers: [],
      views: [],
      routines: [],
      events: [],
    });
    expect(await marks('presslift_kept_x')).toEqual({
      tables: [...common.slice(0, 2), 'wp_new_plugin', ...common.slice(2)],
      mark: 'live',
    });
    expect(await schemaExists(root, 'presslift_rollback_x')).toBe(false);
    expect(await behaviour()).toEqual({
      log: 'point hers',
      view: { mark: 'point', n: 3 },
      function: 'point',
    });

    expect(await switchBack(root, schemas, now)).toMatchObject({ switched: true, tables: 5 });
    expect(sameDatabases(compareDatabases(before, await measure('wordpress')))).toBe(true);
    expect(await marks('presslift_rollback_x')).toEqual({
      tables: [...common, 'wp_old_plugin'].sort(),
      mark: 'point',
    });
    // What a visitor wrote in between is kept with the restored tables.
    const [order] = await rowsOf<{ n: number }>(
      root,
      'SELECT COUNT(*) AS n FROM presslift_rollback_x.wp_orders',
    );
    expect(order?.n).toBe(3);
    expect(await behaviour()).toMatchObject({ log: 'live hers', function: 'live' });
  });

  it("keeps the old tables where WordPress's account cannot write", async () => {
    await switchToPoint(root, schemas, now);
    const wordpress = await connect('wp');
    try {
      await expect(
        wordpress.query('DELETE FROM presslift_kept_x.wp_options'),
      ).rejects.toMatchObject({ errno: 1142 });
    } finally {
      wordpress.destroy();
    }
    if (engine === 'mysql') {
      await expect(root.query('DELETE FROM presslift_kept_x.wp_options')).rejects.toMatchObject({
        code: 'ER_SCHEMA_READ_ONLY',
      });
    }
  });

  it('brings back a table that was dropped, and one that another one refers to', async () => {
    await root.query('DROP TABLE wordpress.wp_items, wordpress.wp_orders');
    await switchToPoint(root, schemas, now);
    expect((await marks('wordpress')).tables).toEqual([...common, 'wp_old_plugin'].sort());
    await switchBack(root, schemas, now);
    expect((await marks('wordpress')).tables).toEqual(['wp_log', 'wp_new_plugin', 'wp_options']);
  });

  it('brings back a schema that was dropped, as the point has it, and it is gone again afterwards', async () => {
    await root.query('ALTER DATABASE presslift_rollback_x COLLATE utf8mb4_bin');
    const point = await measure('presslift_rollback_x');
    await root.query('DROP DATABASE wordpress');
    // An attempt that ends when the schema is there and the tables are not.
    const connection = await connectUntil((sql) => sql.startsWith('RENAME TABLE'));
    await expect(switchToPoint(connection, schemas, now)).rejects.toThrow('the worker died');

    expect(await switchToPoint(root, schemas, now)).toMatchObject({ tables: 5, kept: 0 });
    expect(sameDatabases(compareDatabases(point, await measure('wordpress')))).toBe(true);
    expect(await behaviour()).toMatchObject({ log: 'point hers', function: 'point' });
    expect(await switchBack(root, schemas, now)).toMatchObject({ switched: true });
    expect(await schemaExists(root, 'wordpress')).toBe(false);
    expect((await marks('presslift_rollback_x')).mark).toBe('point');
    expect(await switchBack(root, schemas, now)).toMatchObject({ switched: true });
  });

  it('leaves a schema that was gone in place when somebody has made a table in it', async () => {
    await root.query('DROP DATABASE wordpress');
    await switchToPoint(root, schemas, now);
    await root.query('CREATE TABLE wordpress.wp_since (id INT PRIMARY KEY)');
    await switchBack(root, schemas, now);
    expect((await marks('wordpress')).tables).toEqual(['wp_since']);
  });

  it('refuses to exchange the tables with nothing', async () => {
    await root.query('DROP DATABASE presslift_rollback_x');
    await expect(switchToPoint(root, schemas, now)).rejects.toMatchObject({
      type: 'PreconditionFailed',
    });
    expect((await marks('wordpress')).mark).toBe('live');
  });

  it('ends the same after an interruption at any of its statements, there and back', async () => {
    const before = await measure('wordpress');
    const point = await measure('presslift_rollback_x');
    const interruptedAt = async (stop: number, run: (one: Connection) => Promise<unknown>) => {
      let statements = 0;
      const connection = await connectUntil(() => (statements += 1) > stop);
      try {
        await run(connection);
        return true;
      } catch (error) {
        if ((error as Error).message !== 'the worker died') throw error;
        return false;
      } finally {
        connection.destroy();
      }
    };
    let there = 0;
    for (let finished = false; !finished; there += 1) {
      finished = await interruptedAt(there, (one) => switchToPoint(one, schemas, now));
      // Whole, in either state, at every moment.
      expect(['live', 'point']).toContain((await marks('wordpress')).mark);
      await switchToPoint(root, schemas, now);
      const differences = compareDatabases(point, await measure('wordpress'));
      expect({ there, same: sameDatabases(differences), differences }).toMatchObject({
        same: true,
      });
      await switchBack(root, schemas, now);
    }
    expect(there).toBeGreaterThan(20);

    let back = 0;
    for (let finished = false; !finished; back += 1) {
      await switchToPoint(root, schemas, now);
      finished = await interruptedAt(back, (one) => switchBack(one, schemas, now));
      await switchBack(root, schemas, now);
      const differences = compareDatabases(before, await measure('wordpress'));
      expect({ back, same: sameDatabases(differences), differences }).toMatchObject({ same: true });
    }
    expect(back).toBeGreaterThan(15);
    expect((await readJournal(root, schemas.kept))?.returnedAt).toBe(now);
  }, 300_000);

  it('puts triggers back that were dropped for an exchange that never came', async () => {
    const before = await measure('wordpress');
    const connection = await connectUntil((sql) => sql.startsWith('RENAME TABLE'));
    await expect(switchToPoint(connection, schemas, now)).rejects.toThrow('the worker died');
    await switchBack(root, schemas, now);
    expect(sameDatabases(compareDatabases(before, await measure('wordpress')))).toBe(true);
  });

  it('waits for a query that uses a table, and gives up without having changed anything', async () => {
    const visitor = await connect('adm');
    try {
      await visitor.query('START TRANSACTION');
      await visitor.query('SELECT * FROM wordpress.wp_orders');
      const done = switchToPoint(root, schemas, now);
      setTimeout(() => void visitor.query('COMMIT'), 1_500);
      const result = await done;
      expect(result.milliseconds).toBeGreaterThan(1_000);
      expect((await marks('wordpress')).mark).toBe('point');
    } finally {
      visitor.destroy();
    }
  });

  const triggersOfOrders = async () =>
    (
      await rowsOf(
        root,
        `SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'wordpress'`,
      )
    ).length;

  it('has its triggers while it waits for a query that uses another table', async () => {
    const visitor = await connect('adm');
    try {
      await visitor.query('START TRANSACTION');
      await visitor.query('SELECT * FROM wordpress.wp_items');
      const done = switchToPoint(root, schemas, now);
      const watcher = await connect('adm');
      const waiting = async () =>
        (await rowsOf<{ State: string }>(watcher, 'SHOW PROCESSLIST')).some(({ State }) =>
          /metadata lock/.test(State),
        );
      await expect.poll(waiting, { timeout: 20_000, interval: 20 }).toBe(true);
      const [seen] = await rowsOf<{ n: number }>(
        watcher,
        `SELECT COUNT(*) AS n FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'wordpress'`,
      );
      watcher.destroy();
      expect(Number(seen?.n)).toBe(2);
      await visitor.query('COMMIT');
      await done;
      expect((await marks('wordpress')).mark).toBe('point');
    } finally {
      visitor.destroy();
    }
  });

  // MySQL holds the tables from before it drops their triggers until it has exchanged them.
  it.runIf(engine === 'mariadb')(
    'puts its triggers back before it waits again for a table that was taken in between',
    async () => {
      const visitor = await connect('adm');
      const connection = await connect('adm');
      const query = connection.query.bind(connection);
      let refused = 0;
      const seen: number[] = [];
      connection.query = (async (sql: string, ...rest: unknown[]) => {
        const isExchange = String(sql).startsWith('RENAME TABLE');
        if (isExchange && refused === 0) {
          refused += 1;
          expect(await triggersOfOrders()).toBe(0);
          await visitor.query('START TRANSACTION');
          await visitor.query('SELECT * FROM wordpress.wp_items');
        }
        if (String(sql).startsWith('LOCK TABLES') && refused === 1) {
          seen.push(await triggersOfOrders());
          await visitor.query('COMMIT');
        }
        return query(sql, ...(rest as []));
      }) as typeof connection.query;
      try {
        await switchToPoint(connection, schemas, now);
        expect(seen).toEqual([2]);
        expect(await behaviour()).toMatchObject({ log: 'point hers' });
      } finally {
        visitor.destroy();
        connection.destroy();
      }
    },
  );
});
