/**
 * What seals a copy off, against the PHP-FPM of the sandbox's WordPress image, and the Job that asks for pages, as the toolbox runs
 * it: files of the document root do not take the seal off, and where it is off all the same, no page is asked for.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { scripts } from '../../../src/activities/drill/deps.ts';
import { sealObject } from '../../../src/domain/recovery/drill-objects.ts';
import { acme } from '../../support/hybrid-fixtures.ts';
import { imageRoot } from '../../support/toolbox-image.ts';

/** What stands under /presslift in the container. */
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'presslift-seal-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function given(files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

/** Runs a shell script in an image, with the folder in its place. */
async function inImage(root: string, commands: string, env = {}, net = false): Promise<string> {
  const setUp = `mount -t proc proc "$ROOT/proc" && mkdir -p "$ROOT/presslift" && mount --bind "$FOLDER" "$ROOT/presslift" \
    && chmod -R a+rX "$FOLDER" && ${net ? 'ip link set lo up &&' : ''} exec chroot "$ROOT" bash -c "$COMMANDS"`;
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--kill-child', ...(net ? ['--net'] : [])],
      ...['bash', '-c', setUp],
    ],
    {
      env: {
        ...{ PATH: process.env['PATH'], ROOT: root, FOLDER: folder, COMMANDS: commands },
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (out === '') throw new Error(errors);
  return out;
}

/** Asks PHP-FPM on its port for a script, as a web server does; prints headers and body. */
const request = `<?php
  $pair = fn($n, $v) => chr(strlen($n)) . chr(strlen($v)) . $n . $v;
  $record = fn($type, $content) => pack('CCnnCC', 1, $type, 1, strlen($content), 0, 0) . $content;
  $script = '/presslift/docroot/index.php';
  for ($left = 100; ($fpm = @fsockopen('127.0.0.1', 9000)) === false && $left > 0; $left--) { usleep(100000); }
  fwrite($fpm, $record(1, pack('nCxxxxx', 1, 0)) . $record(4, $pair('SCRIPT_FILENAME', $script) . $pair('SCRIPT_NAME', '/index.php')
    . $pair('DOCUMENT_ROOT', '/presslift/docroot') . $pair('REQUEST_METHOD', 'GET')) . $record(4, '') . $record(5, ''));
  echo stream_get_contents($fpm);`;

describe('PHP-FPM', () => {
  let image = '';
  beforeAll(async () => {
    image = await imageRoot('wordpress');
  });

  test('runs sealed off whatever file the document root would have it run first', async () => {
    const { stringData } = sealObject(acme(), {
      ...{ namespace: 'n', database: 'presslift_drill_abc', host: 'acme.drill.invalid' },
      ...{ password: 'p', seal: 'the-seal', program: scripts.seal },
    });
    await given({
      ...Object.fromEntries(
        Object.entries(stringData ?? {}).map(([name, content]) => [`drill/${name}`, content]),
      ),
      'docroot/.user.ini': 'auto_prepend_file = /presslift/docroot/wordfence-waf.php\n',
      'docroot/wordfence-waf.php': '<?php echo "the firewall ";',
      'docroot/index.php': '<?php echo defined("DB_NAME") ? DB_NAME : "the live database";',
      'request.php': request,
    });
    const answer = await inImage(
      image,
      `export PHP_INI_SCAN_DIR=:/presslift/drill PHP_FPM_MAX_CHILDREN=1
        php-fpm8.2 --nodaemonize --fpm-config /etc/php/8.2/fpm/wordpress.conf 2> /dev/null &
        php -n /presslift/request.php; kill %1; wait`,
      {},
      true,
    );
    expect(answer).toContain('presslift_drill_abc');
    expect(answer).toMatch(/x-presslift-drill: the-seal/i);
    expect(answer).not.toContain('the firewall');
  });
});

describe('the Job that asks for pages', () => {
  let toolbox = '';
  let server: Server;
  let asked: string[];
  beforeAll(async () => {
    toolbox = await imageRoot('toolbox');
  });
  afterEach(() => server?.close());

  /** @param answers status and seal by path; others are 200 with the seal. */
  async function ask(answers: Record<string, [status: number, seal: string]>) {
    asked = [];
    server = createServer(({ url = '' }, response) => {
      asked.push(url);
      const [status, seal] = answers[url] ?? [200, 'the-seal'];
      response.writeHead(status, seal === '' ? {} : { 'X-Presslift-Drill': seal }).end('</html>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await given({
      'input/pages.json': JSON.stringify([{ id: 'front-page', path: '/', expected: ['</html>'] }]),
      'secrets/password': 'secret',
    });
    const log = await inImage(toolbox, scripts.pages, {
      ...{ PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin', ADDRESS: `127.0.0.1:${port}` },
      ...{ SITE_HOST: 'acme.drill.invalid', LOGIN: 'presslift-drill', SEAL: 'the-seal' },
    });
    const { sealed, answers: seen } = JSON.parse(log.trim().split('\n').at(-1) ?? '') as {
      sealed: boolean;
      answers: { id: string; sealed: string }[];
    };
    return { sealed, pages: seen.map(({ id, sealed: shown }) => [id, shown]) };
  }
  const [styles, version, content] = [
    ...['/wp-admin/load-styles.php', '/wp-includes/version.php', '/wp-content/index.php'],
  ] as [string, string, string];

  test('asks for them where PHP shows the seal', async () => {
    const found = await ask({ [styles]: [400, 'the-seal'] });
    expect(found).toEqual({ sealed: true, pages: [['front-page', 'the-seal']] });
    expect(asked).toEqual([styles, '/']);
  });

  test('asks another script where the web server refuses one', async () => {
    const found = await ask({ [styles]: [403, ''], [version]: [404, ''] });
    expect(found.sealed).toBe(true);
    expect(asked).toEqual([styles, version, content, '/']);
  });

  test.each([
    ['runs without the seal', { [styles]: [400, ''] }, 1],
    ['runs with the seal of another', { [styles]: [200, 'another'] }, 1],
    [
      'is refused everywhere',
      { [styles]: [403, ''], [version]: [403, ''], [content]: [403, ''] },
      3,
    ],
  ] as const)('asks for none where PHP %s', async (_, answers, requests) => {
    expect(await ask({ ...answers } as never)).toEqual({ sealed: false, pages: [] });
    expect(asked).toHaveLength(requests);
    expect(asked).not.toContain('/');
  });
});
