import type { z } from 'zod';
import { foundText, type IssueDraft } from './issues.ts';
import { siteSections } from './schema.ts';

type Sections = typeof siteSections;
type SectionName = keyof Sections;

/** What compares fields with each other: found, allowed, in words. */
type Report = (path: PropertyKey[], found: string, allowed: string, hint?: string) => void;

type Check<Name extends SectionName> = (section: z.output<Sections[Name]>, report: Report) => void;

const uniqueNames = (path: PropertyKey[], names: readonly string[], report: Report) =>
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index) report([...path, index], `${name} again`, 'each name once');
  });

const hosts: Check<'hosts'> = ({ names, tfvars }, report) => {
  if (names !== undefined && tfvars !== undefined) {
    report(['hosts'], 'both names and tfvars', 'exactly one of names and tfvars');
  } else if (names === undefined && tfvars === undefined) {
    report(['hosts'], 'neither names nor tfvars', 'exactly one of names and tfvars');
  }
  for (const issue of hostNameIssues(names ?? [])) {
    report(['hosts', 'names', issue.index], issue.found, issue.allowed);
  }
};

/** What is wrong with a list of well-formed host names, wherever it came from. */
export function hostNameIssues(names: readonly string[]) {
  return names.flatMap((name, index) => {
    if (names.indexOf(name) !== index) {
      return [{ index, found: `${name} again`, allowed: 'each name once' }];
    }
    if (index === 0 && name.startsWith('*.')) {
      return [{ index, found: name, allowed: 'a canonical name first, without *' }];
    }
    return [];
  });
}

const database: Check<'database'> = ({ engine, ca, managed }, report) => {
  if (ca === undefined && managed === undefined) {
    report(
      ['database', 'ca'],
      'nothing',
      'a secret reference to the CA certificate, because no managed provider can be asked for it',
    );
  }
  if (managed !== undefined && engine !== 'mysql') {
    report(['database', 'engine'], engine, `mysql, the engine that ${managed.provider} offers`);
  }
};

const storage: Check<'storage'> = ({ objects }, report) => {
  const { provider, bucket, endpoint } = objects;
  const path = ['storage', 'objects', 'bucket'];
  if (provider === 'r2' && endpoint === undefined) {
    report(
      ['storage', 'objects', 'endpoint'],
      'nothing',
      'the endpoint of the account, https://<account id>.r2.cloudflarestorage.com',
    );
  }
  if (provider !== 's3' && bucket.includes('.')) {
    report(path, JSON.stringify(bucket), `a bucket name without dots (${provider})`);
  } else if (/\.\.|\.-|-\./.test(bucket)) {
    report(
      path,
      JSON.stringify(bucket),
      'a bucket name whose dots stand between letters or digits',
    );
  } else if (/^\d+(\.\d+){3}$/.test(bucket)) {
    report(path, JSON.stringify(bucket), 'a bucket name that is not an IP address');
  }
};

const approvals: Check<'approvals'> = ({ approvers, deputies, gates }, report) => {
  uniqueNames(['approvals', 'approvers'], approvers, report);
  uniqueNames(['approvals', 'deputies'], deputies, report);
  deputies.forEach((name, index) => {
    if (approvers.includes(name)) {
      report(
        ['approvals', 'deputies', index],
        `${name}, who is an approver`,
        'people who are not approvers already',
      );
    }
  });
  const people = new Set([...approvers, ...deputies]).size;
  for (const [name, gate] of Object.entries(gates)) {
    const path = ['approvals', 'gates', name];
    if (gate.quorum > new Set(approvers).size) {
      report(
        [...path, 'quorum'],
        String(gate.quorum),
        `at most ${approvers.length}, the number of approvers`,
      );
    }
    if (gate.twoPerson && people < 2) {
      report(
        [...path, 'twoPerson'],
        'true with one person who may decide',
        'false, or at least two people in approvers and deputies',
        'the default is true',
      );
    }
  }
};

const slo: Check<'slo'> = ({ latency }, report) => {
  if (latency.p95Ms > latency.p99Ms) {
    report(
      ['slo', 'latency', 'p95Ms'],
      String(latency.p95Ms),
      `at most p99Ms, which is ${latency.p99Ms}`,
    );
  }
};

const backup: Check<'backup'> = ({ timeZone }, report) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    report(['backup', 'timeZone'], JSON.stringify(timeZone), 'an IANA time zone');
  }
};

const checks: { [Name in SectionName]?: Check<Name> } = {
  hosts,
  database,
  storage,
  approvals,
  slo,
  backup,
};

function runCheck<Name extends SectionName>(name: Name, raw: unknown, report: Report): void {
  const schema = siteSections[name];
  const wrong = (schema.safeParse(raw).error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => [...issue.path, key])
      : [issue.path],
  );
  // The schema tells about those; the rest is looked at as if they had been left out.
  const checked = schema.safeParse(without(raw, wrong));
  if (!checked.success) return;
  checks[name]?.(checked.data as z.output<Sections[Name]>, (path, ...words) => {
    const told = wrong.some((place) => place.every((key, index) => path[index + 1] === key));
    if (!told) report(path, ...words);
  });
}

/** A copy of parsed YAML in which the members at the given paths are missing; lists are left as they are. */
function without(value: unknown, paths: PropertyKey[][]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !paths.some((path) => path.length === 1 && path[0] === key))
      .map(([key, member]) => [
        key,
        without(
          member,
          paths.filter((path) => path[0] === key).map((path) => path.slice(1)),
        ),
      ]),
  );
}

/**
 * Rules over several fields, as far as the fields they need are well formed, whatever is wrong with others.
 *
 * @param raw the parsed YAML
 * @param expectedName the site's name by its file name
 */
export function crossChecks(raw: unknown, expectedName: string): IssueDraft[] {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return [];
  const issues: IssueDraft[] = [];
  const report: Report = (path, found, allowed, hint) =>
    issues.push({ path, found, allowed, hint: hint ?? null });
  const sections = raw as Record<string, unknown>;
  const name = siteSections.name.safeParse(sections.name);
  if (name.success && name.data !== expectedName) {
    report(
      ['name'],
      foundText(name.data, ['name']),
      `${JSON.stringify(expectedName)}, the name of the file`,
    );
  }
  for (const section of Object.keys(checks) as SectionName[]) {
    runCheck(section, sections[section], report);
  }
  return issues;
}
