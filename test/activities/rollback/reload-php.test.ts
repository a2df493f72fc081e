import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from 'vitest';
import { imageRoot } from '../../support/toolbox-image.ts';

/**
 * The script that makes PHP read its files anew, against the PHP-FPM of the sandbox's WordPress image in namespaces of its own:
 * the master stays, every worker is a new one. That no request is lost meanwhile is PHP-FPM's promise, and e2e's to see.
 */

let image = '';
let script = '';

beforeAll(async () => {
  image = await imageRoot('wordpress');
  const url = new URL('../../../src/activities/rollback/scripts/reload-php.php', import.meta.url);
  script = (await readFile(url, 'utf8')).replace(/^<\?php/, '');
});

/** Runs a shell script as the container's first process would run. */
async function inContainer(commands: string): Promise<string> {
  const setUp = `mount -t proc proc "$ROOT/proc" && ip link set lo up && exec chroot "$ROOT" bash -c "$COMMANDS"`;
  const child = spawn(
    'unshare',
    ['--mount', '--pid', '--net', '--fork', '--kill-child', 'bash', '-c', setUp],
    {
      env: {
        PATH: process.env['PATH'],
        ROOT: image,
        COMMANDS: commands,
        CODE: script,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (out === '') throw new Error(errors);
  return out;
}

const reload = 'php -r \'eval(getenv("CODE"));\'';
const processes = `php -r 'foreach (glob("/proc/[0-9]*") as $p) { $c = @file_get_contents("$p/cmdline");
  if (preg_match("/^php-fpm: (\\w+)/", $c, $m)) { echo $m[1] . basename($p) . " "; } } echo "\\n";'`;

describe('reading PHP anew', () => {
  it('replaces every worker of PHP-FPM and keeps its master', async () => {
    const lines = (
      await inContainer(`PHP_FPM_MAX_CHILDREN=3 php-fpm8.2 --nodaemonize --fpm-config /etc/php/8.2/fpm/wordpress.conf 2> /dev/null &
        sleep 2; ${processes}; ${reload}; ${processes}; kill %1; wait`)
    )
      .trim()
      .split('\n');
    const [before = '', answer = '', after = ''] = lines;
    expect(JSON.parse(answer)).toMatchObject({ reloaded: true, workers: 3 });
    const of = (line: string, kind: string) =>
      line.split(' ').filter((one) => one.startsWith(kind));
    expect(of(before, 'pool')).toHaveLength(3);
    expect(of(after, 'pool')).toHaveLength(3);
    expect(of(after, 'master')).toEqual(of(before, 'master'));
    expect(of(after, 'pool').filter((one) => before.includes(one))).toEqual([]);
  });

  it('says why it cannot, so that pods are replaced instead', async () => {
    expect(JSON.parse(await inContainer(reload))).toEqual({
      reloaded: false,
      why: 'neither PHP-FPM nor Apache runs in this container',
    });
  });

  it('leaves a PHP-FPM alone that would break off what it answers', async () => {
    const [before = '', answer = '', after = ''] = (
      await inContainer(`sed '/^process_control_timeout/d' /etc/php/8.2/fpm/wordpress.conf > /tmp/hasty.conf
        PHP_FPM_MAX_CHILDREN=3 php-fpm8.2 --nodaemonize --fpm-config /tmp/hasty.conf 2> /dev/null &
        sleep 2; ${processes}; ${reload}; ${processes}; kill %1; wait; rm /tmp/hasty.conf`)
    )
      .trim()
      .split('\n');
    expect(JSON.parse(answer)).toEqual({
      reloaded: false,
      why: 'PHP-FPM has no process_control_timeout and would break off requests',
    });
    expect(after.trim()).toBe(before.trim());
  });

  it('finds that time also in a file that is included', async () => {
    const [, answer = ''] = (
      await inContainer(`sed '/^process_control_timeout/d' /etc/php/8.2/fpm/wordpress.conf > /tmp/main.conf
        mkdir /tmp/more; echo 'include = /tmp/more/*.conf' >> /tmp/main.conf
        printf '[global]\nprocess_control_timeout = 10s\n' > /tmp/more/global.conf
        PHP_FPM_MAX_CHILDREN=3 php-fpm8.2 --nodaemonize --fpm-config /tmp/main.conf 2> /dev/null &
        sleep 2; ${processes}; ${reload}; kill %1; wait; rm -r /tmp/main.conf /tmp/more`)
    )
      .trim()
      .split('\n');
    expect(JSON.parse(answer)).toMatchObject({ reloaded: true });
  });
});
