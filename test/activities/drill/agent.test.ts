/**
 * The agent's change of host, run by the PHP of the sandbox's WordPress image: serialized values stay what PHP itself can read,
 * broken ones are told, and nothing but addresses is changed. No WordPress, no database.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { imageRoot } from '../../support/toolbox-image.ts';

const run = promisify(execFile);
let root = '';
let operations = '';

beforeAll(async () => {
  root = await imageRoot('wordpress');
  const url = new URL('../../../src/activities/wordpress/operations/drill.php', import.meta.url);
  operations = (await readFile(url, 'utf8')).replace(/^<\?php/, '');
});

/** Runs PHP code after the operations; what it prints must be JSON. */
async function php<T>(code: string, given: unknown = null): Promise<T> {
  const encoded = Buffer.from(JSON.stringify(given)).toString('base64');
  const program = `error_reporting(E_ALL); ini_set('display_errors', 'stderr');
    set_error_handler(function ($_, $message) { throw new ErrorException($message); });
    $given = json_decode(base64_decode('${encoded}'), true);\n${operations}\n
    $change = presslift_host_change(['acme.example', 'www.acme.example'], 'acme.drill.invalid');\n${code}`;
  const { stdout } = await run('chroot', [root, 'php', '-r', program], {
    maxBuffer: 16 * 1024 * 1024,
  });
  return JSON.parse(stdout) as T;
}

const changed = (value: string) =>
  php<string | null>(
    'echo json_encode(presslift_changed($given, $change), JSON_UNESCAPED_SLASHES);',
    value,
  );

describe('text', () => {
  test.each([
    ['https://acme.example/a', 'https://acme.drill.invalid/a'],
    ['<a href="http://www.acme.example">', '<a href="http://acme.drill.invalid">'],
    ['//acme.example:8080/x', '//acme.drill.invalid:8080/x'],
    ['{"u":"https:\\/\\/acme.example\\/a"}', '{"u":"https:\\/\\/acme.drill.invalid\\/a"}'],
    [
      '"{\\"u\\":\\"https:\\\\/\\\\/acme.example\\"}"',
      '"{\\"u\\":\\"https:\\\\/\\\\/acme.drill.invalid\\"}"',
    ],
    ['?to=https%3A%2F%2Facme.example%2Fa', '?to=https%3A%2F%2Facme.drill.invalid%2Fa'],
    ['HTTPS://ACME.EXAMPLE/', 'HTTPS://acme.drill.invalid/'],
    ['See https://acme.example.', 'See https://acme.drill.invalid.'],
    ['acme.example', 'acme.drill.invalid'],
  ])('%s becomes %s', async (value, wanted) => {
    expect(await changed(value)).toBe(wanted);
  });

  test.each([
    'shop@acme.example',
    '/var/www/acme.example/wp-content',
    'https://acme.example.com/',
    'https://acme.example-shop.de/',
    'https://notacme.example/',
    'https://blog.acme.example/',
    'Visit acme.example today',
  ])('%s stays', async (value) => {
    expect(await changed(value)).toBe(value);
  });
});

describe('serialized data', () => {
  test('is what PHP reads as the same value with the host changed', async () => {
    const outcome = await php<{ same: boolean; written: string }>(`
      class Product { public $url = 'https://acme.example/p'; protected $name = 'https://acme.example'; private $of = null; }
      $product = new Product;
      $value = ['Ümläut https://acme.example/ü' => 'https://acme.example/ü', 'n' => null, 'i' => -3, 'f' => 1.5e300, 'inf' => -INF, 'b' => true,
        'list' => ['https://www.acme.example', ['deep' => ['//acme.example']]], 'object' => $product, 'twice' => serialize(['https://acme.example']),
        'thrice' => serialize([serialize(['u' => 'https://acme.example'])]), 'json' => json_encode(['u' => 'https://acme.example']), 'same' => null];
      $value['same'] = &$value['list'];
      $written = presslift_changed(serialize($value), $change);
      $back = unserialize($written);
      echo json_encode([
        'same' => $back !== false && serialize($back) === $written
          && $back['list'] === ['https://acme.drill.invalid', ['deep' => ['//acme.drill.invalid']]]
          && $back['object'] instanceof Product && $back['object']->url === 'https://acme.drill.invalid/p'
          && unserialize($back['twice']) === ['https://acme.drill.invalid']
          && unserialize(unserialize($back['thrice'])[0]) === ['u' => 'https://acme.drill.invalid']
          && $back['Ümläut https://acme.drill.invalid/ü'] === 'https://acme.drill.invalid/ü'
          && !str_contains($written, 'acme.example'),
        'written' => $written,
      ]);`);
    expect(outcome).toMatchObject({ same: true });
  });

  test('a class that is not there is no obstacle, and none of its code runs', async () => {
    const value = 'O:7:"Unknown":1:{s:3:"url";s:20:"https://acme.example";}';
    const wanted = 'O:7:"Unknown":1:{s:3:"url";s:26:"https://acme.drill.invalid";}';
    expect(await changed(value)).toBe(wanted);
  });

  test('what serializes itself is left as it is', async () => {
    const value = 'C:11:"ArrayObject":24:{x:i:0;a:0:{};m:a:0:{}aaa}';
    expect(await changed(value)).toBe(value);
  });

  test.each([
    ['a wrong length', 'a:1:{s:9:"a";i:1;}'],
    [
      'a length changed by a careless replacement',
      'a:1:{s:1:"u";s:20:"https://acme.drill.invalid";}',
    ],
    ['cut short', 'a:2:{i:0;s:1:"a";i:1;s:1:"b'],
    ['a missing member', 'a:2:{i:0;s:1:"a";}'],
    ['something after it', 'a:0:{}x'],
    ['an object that is cut', 'O:3:"Foo":1:{s:1:"a";'],
    ['no number', 'a:1:{i:x;i:1;}'],
  ])('%s is told as broken and not touched', async (_, value) => {
    expect(await changed(value)).toBeNull();
  });

  test.each(['a:1', 's:5', 'a: 3 tips', 'Once upon a:1:{ time', 'b:1;', 'i:5;', 'N;'])(
    '%s is not taken for it',
    async (value) => {
      expect(await changed(value)).toBe(value);
    },
  );

  test('text that only looks serialized inside of a string is text', async () => {
    const outcome = await php<boolean>(`
      $value = serialize(['a:1:{ is no https://acme.example', 's:99:"https://acme.example";']);
      $back = unserialize(presslift_changed($value, $change));
      echo json_encode($back === ['a:1:{ is no https://acme.drill.invalid', 's:99:"https://acme.drill.invalid";']);`);
    expect(outcome).toBe(true);
  });

  test('whatever PHP serializes comes back, and whatever it cannot read is told', async () => {
    const outcome = await php<{ wrong: string[] }>(`
      mt_srand(4);
      $random = function (int $depth) use (&$random) {
        switch (mt_rand(0, $depth > 3 ? 5 : 7)) {
          case 0: return mt_rand(-9, 9);
          case 1: return mt_rand() / 7;
          case 2: return null;
          case 3: return (bool) mt_rand(0, 1);
          case 4: return str_repeat(mt_rand(0, 1) ? 'ü' : '";}', mt_rand(0, 4));
          case 5: return 'https://acme.example/' . mt_rand();
          default:
            $list = [];
            for ($left = mt_rand(0, 4); $left > 0; $left--) { $list[mt_rand(0, 1) ? 'k' . mt_rand(0, 99) : mt_rand(0, 9)] = $random($depth + 1); }
            return mt_rand(0, 3) ? $list : (object) $list;
        }
      };
      $wrong = [];
      for ($round = 0; $round < 3000; $round++) {
        $text = serialize([$random(0)]);
        $written = presslift_changed($text, $change);
        $expected = serialize(unserialize($written ?? ''));
        if ($written === null || $expected !== $written || str_contains($written, 'acme.example')) { $wrong[] = $text; }
        $at = mt_rand(0, strlen($text) - 1);
        $broken = substr($text, 0, $at) . chr(mt_rand(33, 126)) . substr($text, $at + 1);
        if (!presslift_looks_serialized($broken)) { continue; }
        try { $readable = unserialize($broken) !== false; } catch (Throwable) { $readable = false; }
        $told = presslift_changed($broken, fn($one) => $one) !== null;
        // PHP reads some that no PHP wrote, and a reference to what is not there is for PHP alone to know.
        if ($readable && !$told && serialize(unserialize($broken)) === $broken) { $wrong[] = "told as broken: $broken"; }
        if (!$readable && $told && !preg_match('/[rR]:\\d|O:/', $broken)) { $wrong[] = "told as sound: $broken"; }
      }
      echo json_encode(['wrong' => array_slice($wrong, 0, 5)], JSON_INVALID_UTF8_SUBSTITUTE);`);
    expect(outcome.wrong).toEqual([]);
  });
});
