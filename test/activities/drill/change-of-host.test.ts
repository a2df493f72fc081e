/**
 * The agent's change of host in a real MySQL, by the PHP of the sandbox's WordPress image with less memory than there is
 * text; of WordPress there is only what the operation calls.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startMySql, type TestDatabase } from '../../support/database-servers.ts';
import { imageRoot } from '../../support/toolbox-image.ts';

const run = promisify(execFile);
const database = 'presslift_drill_abc';
let server: TestDatabase;
let connection: Connection;

beforeAll(async () => {
  server = await startMySql({ settings: ['max_allowed_packet=64M'] });
  await server.admin(`
    CREATE DATABASE ${database} CHARACTER SET utf8mb4;
    CREATE USER '${database}'@'%' IDENTIFIED BY 'drill';
    GRANT ALL PRIVILEGES ON ${database}.* TO '${database}'@'%';
  `);
  const { host, port, ca } = server;
  const ssl = { ca, rejectUnauthorized: true };
  connection = await createConnection({
    ...{ host, port, ssl, user: database, password: 'drill', database },
  });
});
afterAll(async () => {
  connection?.destroy();
  await server?.stop();
});

/** WordPress's functions that the operation uses. */
const wordpress = (port: number) => `
  define('DB_NAME', '${database}'); define('DB_USER', DB_NAME); define('DB_PASSWORD', 'drill'); define('DB_HOST', '127.0.0.1');
  class wpdb {
    public $dbh;
    public function __construct() {
      $this->dbh = mysqli_init();
      mysqli_real_connect($this->dbh, DB_HOST, DB_USER, DB_PASSWORD, DB_NAME, ${port}, null, MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT);
    }
    public function get_results($sql) { $rows = mysqli_query($this->dbh, $sql); $all = []; while ($row = mysqli_fetch_object($rows)) { $all[] = $row; } return $all; }
    public function get_var($sql) { return mysqli_fetch_row(mysqli_query($this->dbh, $sql))[0]; }
    public function esc_like($text) { return addcslashes($text, '_%\\\\\\\\'); }
  }
  mysqli_report(MYSQLI_REPORT_OFF);
  $wpdb = new wpdb;
  function esc_sql($text) { return mysqli_real_escape_string($GLOBALS['wpdb']->dbh, $text); }
  function wp_cache_flush() {}
  function presslift_raw_option($name) { return null; }
  function presslift_fail($why) { throw new Exception($why); }`;

test('more text than PHP may hold is changed, each row once', async () => {
  await connection.query('CREATE TABLE wp_posts (ID INT PRIMARY KEY, content LONGTEXT)');
  await connection.query('CREATE TABLE no_key (link VARCHAR(100))');
  const content = `https://acme.example/ and https://www.acme.example/ ${'word '.repeat(200_000)}`;
  for (let id = 1; id <= 40; id += 1) {
    await connection.query('INSERT INTO wp_posts VALUES (?, ?)', [id, content]);
  }
  const link = 'https://acme.example/';
  await connection.query('INSERT INTO no_key VALUES (?), (?), (?)', [link, link, 'elsewhere']);
  const url = new URL('../../../src/activities/wordpress/operations/drill.php', import.meta.url);
  const operations = (await readFile(url, 'utf8')).replace(/^<\?php/, '');
  const asked = `['database' => DB_NAME, 'hosts' => ['acme.example', 'www.acme.example'], 'host' => 'acme.drill.invalid']`;
  const program = `${wordpress(server.port)}\n${operations}\necho json_encode(presslift_operation_drill_replace(${asked}));`;
  const root = await imageRoot('wordpress');
  const { stdout } = await run('chroot', [root, 'php', '-d', 'memory_limit=32M', '-r', program], {
    maxBuffer: 1 << 24,
  });
  expect(JSON.parse(stdout)).toMatchObject({
    changed: { tables: 2, values: 42 },
    left: { values: 0 },
  });
  const [rows] = await connection.query<RowDataPacket[]>(
    'SELECT DISTINCT LEFT(content, 60) AS beginning, LENGTH(content) AS length FROM wp_posts',
  );
  const wanted = content.replace(/(www\.)?acme\.example/g, 'acme.drill.invalid');
  expect(rows).toEqual([{ beginning: wanted.slice(0, 60), length: wanted.length }]);
});
