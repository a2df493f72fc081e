import type { z } from 'zod';
import { allowedText, schemaAt, type SchemaNode } from './json-schema.ts';
import { nearestName } from './nearest-name.ts';

/** One thing wrong in a site file. */
export interface SiteIssue {
  /** Where: `approvals.gates.apply.quorum`, `hosts.names[0]`; empty for the file as a whole. */
  path: string;
  /** What stands there, in words; never the value of a field that holds secrets. */
  found: string;
  /** What may stand there, in words. */
  allowed: string;
  /** The name that was probably meant, or what else helps. */
  hint: string | null;
  /** Where in the file, counted from 1. */
  line: number | null;
  column: number | null;
}

/** A site file with errors; `issues` has all of them, the message too, one a line. */
export class SiteFileError extends Error {
  override readonly name = 'SiteFileError';
  readonly fileName: string;
  readonly issues: SiteIssue[];

  constructor(fileName: string, issues: SiteIssue[]) {
    const count = issues.length === 1 ? '1 error' : `${issues.length} errors`;
    super([`${fileName} has ${count}:`, ...issues.map((issue) => issueLine(issue))].join('\n'));
    this.fileName = fileName;
    this.issues = issues;
  }
}

/** `  12:5 database.port: found the number 0, allowed: a whole number from 1 to 65535` */
export function issueLine({ path, found, allowed, hint, line, column }: SiteIssue): string {
  const place = line === null ? '' : `${line}:${column ?? 1} `;
  const what = `${path === '' ? '' : `${path}: `}found ${found}; allowed: ${allowed}`;
  return `  ${place}${what}${hint === null ? '' : `; ${hint}`}`;
}

/** `['hosts', 'names', 0]` as a person writes it: `hosts.names[0]`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) =>
      typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`,
    )
    .join('');
}

/** The value at a path in parsed YAML, or undefined. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** Fields whose value is a secret reference: somebody may have written the secret itself there. */
const secretFields = new Set(['credentials', 'adminCredentials', 'ca', 'token', 'password']);

function holdsSecret(path: readonly PropertyKey[]): boolean {
  const names = path.filter((key) => typeof key === 'string');
  return (
    names.some((key) => secretFields.has(key)) || names.join('.') === 'notifications.webhooks.url'
  );
}

/** What stands at a place, short, and without showing what could be a secret. */
export function foundText(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a section';
  if (holdsSecret(path))
    return `a ${typeof value === 'string' ? 'text' : typeof value} (not shown)`;
  const shown = typeof value === 'string' ? JSON.stringify(value) : `${value as number | boolean}`;
  return shown.length > 80 ? `${shown.slice(0, 77)}…` : shown;
}

type Draft = Omit<SiteIssue, 'line' | 'column' | 'path'> & {
  path: PropertyKey[];
  /** True where the position is that of the key, not of its value. */
  atKey?: boolean;
};

/** Turns one finding of the schema into what a person reads; an unknown key each is an issue of its own. */
export function explainIssue(issue: z.core.$ZodIssue, raw: unknown, schema: SchemaNode): Draft[] {
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(schemaAt(issue.path, schema)?.properties ?? {});
    return issue.keys.map((key) => {
      const meant = nearestName(key, known);
      return {
        path: [...issue.path, key],
        found: 'an unknown key',
        allowed: known.length === 0 ? 'no keys' : `the keys ${known.join(', ')}`,
        hint: meant === null ? null : `did you mean ${meant}?`,
        atKey: true,
      };
    });
  }
  const value = valueAt(raw, issue.path);
  const node = schemaAt(issue.path, schema);
  const allowed = node === null || issue.code === 'custom' ? issue.message : allowedText(node);
  return [
    { path: issue.path, found: foundText(value, issue.path), allowed, hint: hintFor(value, node) },
  ];
}

/** A value that is nearly one of the few allowed ones. */
function hintFor(value: unknown, node: SchemaNode | null): string | null {
  if (typeof value !== 'string' || node?.enum === undefined) return null;
  const meant = nearestName(value, node.enum);
  return meant === null ? null : `did you mean ${meant}?`;
}

export type { Draft as IssueDraft };
