// Proves the text of WORDPRESS_CONFIG_EXTRA after phase 1. That PHP reads it so is proved on the running site, per pod.
import { describe, expect, it } from 'vitest';
import {
  definedConstants,
  hybridConfigExtra,
} from '../../../src/domain/kubernetes/config-extra.ts';

const direct = { fsMethodDirect: true };

describe('the configuration of phase 1', () => {
  it("keeps the site's own text and adds ours before it", () => {
    const text = hybridConfigExtra("define('WP_MEMORY_LIMIT', '256M');\n", direct);
    expect(definedConstants(text)).toEqual([
      'DISALLOW_FILE_EDIT',
      'WP_AUTO_UPDATE_CORE',
      'FS_METHOD',
      'WP_MEMORY_LIMIT',
    ]);
    expect(text.endsWith("define('WP_MEMORY_LIMIT', '256M');\n")).toBe(true);
  });

  it('sets FS_METHOD only where the probe allows it', () => {
    expect(definedConstants(hybridConfigExtra('', { fsMethodDirect: false }))).toEqual([
      'DISALLOW_FILE_EDIT',
      'WP_AUTO_UPDATE_CORE',
    ]);
  });

  const guarded = "defined('WP_AUTO_UPDATE_CORE') || ";
  it.each([
    [
      'a plain definition',
      "define('WP_AUTO_UPDATE_CORE', 'minor');",
      `${guarded}define('WP_AUTO_UPDATE_CORE', 'minor');`,
    ],
    [
      'other quotes and spaces',
      'define( "WP_AUTO_UPDATE_CORE", true );',
      `${guarded}define( "WP_AUTO_UPDATE_CORE", true );`,
    ],
    [
      'a definition behind an if',
      "if (X) define('WP_AUTO_UPDATE_CORE', 1); y();",
      `if (X) ${guarded}define('WP_AUTO_UPDATE_CORE', 1); y();`,
    ],
    [
      'a definition that is guarded already',
      "defined('WP_AUTO_UPDATE_CORE') or define('WP_AUTO_UPDATE_CORE', 1);",
      "defined('WP_AUTO_UPDATE_CORE') or define('WP_AUTO_UPDATE_CORE', 1);",
    ],
    [
      'a const statement',
      'const WP_AUTO_UPDATE_CORE = false;',
      `${guarded}define('WP_AUTO_UPDATE_CORE', false);`,
    ],
    [
      'a constant whose name only begins so',
      "define('FS_METHOD_X', 1);",
      "define('FS_METHOD_X', 1);",
    ],
  ])('never defines a constant twice: %s', (_name, old, expected) => {
    expect(hybridConfigExtra(old, direct).split('/* presslift: end */\n')[1]).toBe(expected);
  });

  it('changes nothing when it is applied to its own result', () => {
    const once = hybridConfigExtra("define('WP_AUTO_UPDATE_CORE', 'minor');\n", direct);
    expect(hybridConfigExtra(once, direct)).toBe(once);
  });
});
