/** Constants that phase 1 sets, as PHP expressions. */
export interface HybridConstants {
  /** FS_METHOD direct: only where a probe wrote to the shared volume as www-data. */
  fsMethodDirect: boolean;
}

const begin = '/* presslift: begin */';
const end = '/* presslift: end */';

/** The constants of phase 1 with their values as PHP expressions, in the order in which they are written. */
export function hybridConstants({ fsMethodDirect }: HybridConstants): Record<string, string> {
  return {
    DISALLOW_FILE_EDIT: 'true',
    WP_AUTO_UPDATE_CORE: 'false',
    ...(fsMethodDirect ? { FS_METHOD: "'direct'" } : {}),
  };
}

/**
 * The text of WORDPRESS_CONFIG_EXTRA after phase 1: our constants, then the site's own text unchanged but for one thing:
 * where it defines one of our constants itself, that definition is guarded, because ours comes first and PHP warns about
 * a constant that is defined twice. Applied to its own result it changes nothing.
 */
export function hybridConfigExtra(existing: string, options: HybridConstants): string {
  const constants = hybridConstants(options);
  const kept = withoutOurs(existing);
  const guarded = Object.keys(constants).reduce(guard, kept);
  const ours = Object.entries(constants).map(
    ([name, value]) => `defined('${name}') || define('${name}', ${value});`,
  );
  return `${[begin, ...ours, end].join('\n')}\n${guarded}`;
}

/** Names of the constants that a piece of PHP defines, in order, each once. */
export function definedConstants(text: string): string[] {
  const names = [
    ...Array.from(text.matchAll(/\bdefine\s*\(\s*(['"])(\w+)\1/g), (match) => match[2] ?? ''),
    ...Array.from(text.matchAll(/\bconst\s+(\w+)\s*=/g), (match) => match[1] ?? ''),
  ];
  return [...new Set(names)];
}

function withoutOurs(text: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) return text;
  return text.slice(0, from) + text.slice(to + end.length).replace(/^\n/, '');
}

/**
 * `define('X', …)` becomes `defined('X') || define('X', …)`: right wherever an expression may stand, also behind an
 * `if (…)`, an `@` or an own `defined('X') ||`. `const X = …;` can only be a statement and becomes one such expression.
 */
function guard(text: string, name: string): string {
  const definition = new RegExp(
    `(defined\\s*\\(\\s*(['"])${name}\\2\\s*\\)\\s*(?:\\|\\||\\bor\\b)\\s*)?\\bdefine\\s*\\(\\s*(['"])${name}\\3`,
    'g',
  );
  const constant = new RegExp(`\\bconst\\s+${name}\\s*=\\s*([^;]+);`, 'g');
  return text
    .replace(definition, (match, own?: string) =>
      own === undefined ? `defined('${name}') || ${match}` : match,
    )
    .replace(constant, (_match, value: string) => {
      return `defined('${name}') || define('${name}', ${value.trim()});`;
    });
}
