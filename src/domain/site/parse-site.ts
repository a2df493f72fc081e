import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { crossChecks, hostNameIssues } from './cross-checks.ts';
import { explainIssue, pathText, SiteFileError, valueAt } from './issues.ts';
import type { IssueDraft, SiteIssue } from './issues.ts';
import { siteJsonSchema } from './json-schema.ts';
import { nearestName } from './nearest-name.ts';
import { siteSchema, type Site } from './schema.ts';
import { hostname } from './values.ts';

/** Longest text that is read as a site file; real ones have a few thousand characters. */
const maximumLength = 1_000_000;

export interface ParseSiteOptions {
  /** Path or name of the file; its last part without ending is the site's name. */
  fileName: string;
  /** Variables of a .tfvars file, named relative to the site file. Rejects with a message for people. */
  readTfvars: (file: string) => Promise<Record<string, unknown>>;
}

/**
 * Reads a site file: YAML, the schema, rules over several fields, host names. Defaults are filled in.
 *
 * @throws SiteFileError with every error that was found, never only the first
 */
export async function parseSite(yamlText: string, options: ParseSiteOptions): Promise<Site> {
  const { document, raw, locate } = readYaml(yamlText, options.fileName);
  const schema = siteJsonSchema();
  const checked = siteSchema.safeParse(raw);
  const drafts = [
    ...(checked.error?.issues ?? []).flatMap((issue) => explainIssue(issue, raw, schema)),
    ...crossChecks(raw, siteNameOf(options.fileName)),
  ];
  const names = await hostNames(raw, options, drafts);
  const drillHost = valueAt(raw, ['drill', 'host']);
  if (typeof drillHost === 'string' && names.some((name) => covers(name, drillHost))) {
    drafts.push({
      path: ['drill', 'host'],
      found: `${JSON.stringify(drillHost)}, a host name of the site itself`,
      allowed: 'a host name that no visitor uses',
      hint: null,
    });
  }
  if (!checked.success || drafts.length > 0) {
    const issues = drafts.map((draft) => {
      const { found, allowed, hint } = draft;
      return { path: pathText(draft.path), found, allowed, hint, ...locate(document, draft) };
    });
    throw new SiteFileError(options.fileName, inFileOrder(issues));
  }
  const { hosts, ...rest } = checked.data;
  const { issuer, ingressClass } = hosts;
  return { ...rest, hosts: { names, issuer, ingressClass } };
}

/** `sites/acme.yaml` → `acme` */
export function siteNameOf(fileName: string): string {
  return (fileName.split(/[/\\]/).at(-1) ?? '').replace(/\.ya?ml$/, '');
}

/** Whether a host name of a site, which may begin with `*.`, means another host name too. */
function covers(name: string, other: string): boolean {
  if (!name.startsWith('*.')) return name === other;
  return other.slice(other.indexOf('.')) === name.slice(1);
}

function inFileOrder(issues: SiteIssue[]): SiteIssue[] {
  const rank = (issue: SiteIssue) => (issue.line ?? 0) * 10_000 + (issue.column ?? 0);
  return issues.toSorted((a, b) => rank(a) - rank(b));
}

function readYaml(yamlText: string, fileName: string) {
  const whole = (found: string, allowed: string, line: number | null = null, column = 1) =>
    new SiteFileError(fileName, [
      { path: '', found, allowed, hint: null, line, column: line === null ? null : column },
    ]);
  if (yamlText.length > maximumLength) {
    throw whole(`${yamlText.length} characters`, `at most ${maximumLength} characters`);
  }
  const lines = new LineCounter();
  // The library's own pretty messages quote the source, where a secret may stand.
  const document = parseDocument(yamlText, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new SiteFileError(
      fileName,
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        const found = `bad YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`;
        const allowed = 'one YAML document, indented with spaces, each key once';
        return { path: '', found, allowed, hint: null, line, column: col };
      }),
    );
  }
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: 100 });
  } catch {
    throw whole('YAML aliases that cannot be resolved', 'a document without aliases');
  }
  const locate = (parsed: Document, { path, atKey }: IssueDraft) => {
    const offset = offsetOf(parsed, path, atKey ?? false);
    if (offset === null) return { line: null, column: null };
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  return { document, raw, locate };
}

/** Where the value at a path begins (its key with `atKey`); where there is none, the nearest section around it. */
function offsetOf(document: Document, path: PropertyKey[], atKey: boolean): number | null {
  for (let length = path.length; length > 0; length--) {
    const key = path[length - 1];
    const parent = document.getIn(path.slice(0, length - 1), true);
    const pair = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    const value =
      length === path.length && !atKey ? document.getIn(path.slice(0, length), true) : null;
    const node = isNode(value) ? value : pair?.key;
    const offset = isNode(node) ? node.range?.[0] : undefined;
    if (offset !== undefined) return offset;
  }
  return null;
}

/** The host names, explicit or out of the tfvars file; what is wrong with the latter goes to `drafts`. */
async function hostNames(
  raw: unknown,
  options: ParseSiteOptions,
  drafts: IssueDraft[],
): Promise<string[]> {
  const report = (
    path: PropertyKey[],
    found: string,
    allowed: string,
    hint: string | null = null,
  ) => drafts.push({ path, found, allowed, hint });
  const explicit = valueAt(raw, ['hosts', 'names']);
  const file = valueAt(raw, ['hosts', 'tfvars', 'file']);
  const variables = valueAt(raw, ['hosts', 'tfvars', 'variables']);
  if (Array.isArray(explicit)) return explicit.filter((name) => typeof name === 'string');
  if (typeof file !== 'string' || file.trim() === '' || !Array.isArray(variables)) return [];

  let values: Record<string, unknown>;
  try {
    values = await options.readTfvars(file);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    report(['hosts', 'tfvars', 'file'], `${JSON.stringify(file)}: ${message}`, 'a .tfvars file');
    return [];
  }
  const names = (variables as unknown[]).flatMap((variable, index) => {
    const path = ['hosts', 'tfvars', 'variables', index];
    if (typeof variable !== 'string') return [];
    if (!Object.hasOwn(values, variable)) {
      const meant = nearestName(variable, Object.keys(values));
      const hint = meant === null ? null : `did you mean ${meant}?`;
      report(path, `${JSON.stringify(variable)}`, `a variable that ${file} sets`, hint);
      return [];
    }
    const value = values[variable];
    const list: unknown[] = Array.isArray(value) ? value : [value];
    const good = list.filter((name) => hostname.safeParse(name).success) as string[];
    if (list.length === 0 || good.length !== list.length) {
      report(
        path,
        `${JSON.stringify(variable)}, whose value is not made of host names`,
        'a variable with a host name or a list of host names, without expressions',
      );
    }
    return good;
  });
  for (const { found, allowed } of hostNameIssues(names)) {
    report(['hosts', 'tfvars', 'variables'], found, allowed);
  }
  return names;
}
