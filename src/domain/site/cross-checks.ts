import type { z } from 'zod';
import { describeDuration, durationMs } from '../durations.ts';
import { cronGaps, parseCron } from './cron.ts';
import { foundText, type IssueDraft } from './issues.ts';
import { siteSections } from './schema.ts';
import { timeZoneProblem } from './time-zone.ts';

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

/** A backup locks the site for its duration; a drill takes one and restores it. */
const SHORTEST_BETWEEN = { backup: 'PT15M', drill: 'PT1H' } as const;

/** The times between two firings of a schedule, or null when it is told to `report` that there is something wrong with it. */
function gapsOf(section: 'backup' | 'drill', schedule: string, report: Report) {
  const path = [section, 'schedule'];
  const allowed =
    'five fields as cron has them: minute, hour, day of the month, month, day of the week';
  let gaps: ReturnType<typeof cronGaps>;
  try {
    gaps = cronGaps(parseCron(schedule));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    report(path, `${JSON.stringify(schedule)} with ${error.message}`, allowed);
    return null;
  }
  if (gaps === null) {
    report(path, `${JSON.stringify(schedule)}, a day that no year has`, 'a day that there is');
    return null;
  }
  const shortest = durationMs(SHORTEST_BETWEEN[section]);
  if (gaps.shortestMs < shortest) {
    report(
      path,
      `${JSON.stringify(schedule)}, which is every ${describeDuration(gaps.shortestMs)}`,
      `at least ${describeDuration(shortest)} between two`,
    );
  }
  return gaps;
}

const backup: Check<'backup'> = ({ schedule, timeZone, repository, password, maxAge }, report) => {
  const problem = timeZoneProblem(timeZone);
  if (problem !== null) {
    report(
      ['backup', 'timeZone'],
      JSON.stringify(timeZone),
      'an IANA time zone such as Europe/Berlin',
      problem.meant === null ? undefined : `did you mean ${problem.meant}?`,
    );
  }
  if (repository !== undefined && password === undefined) {
    report(
      ['backup', 'password'],
      'nothing',
      'a secret reference to the password of backup.repository',
    );
  }
  if (repository !== undefined && /\/\/[^/@]*@/.test(repository)) {
    report(
      ['backup', 'repository'],
      'an address with a user or password in it (not shown)',
      'an address without; the keys of backup.credentials open it, else those of storage.objects.credentials',
    );
  }
  const gaps = gapsOf('backup', schedule, report);
  if (gaps !== null && durationMs(maxAge) <= gaps.longestMs) {
    report(
      ['backup', 'maxAge'],
      maxAge,
      `longer than ${describeDuration(gaps.longestMs)}, the longest time between two backups of backup.schedule`,
    );
  }
};

const drill: Check<'drill'> = ({ schedule, rto, timeout, host }, report) => {
  gapsOf('drill', schedule, report);
  if (durationMs(timeout) < durationMs(rto)) {
    report(['drill', 'timeout'], timeout, `at least drill.rto, which is ${rto}`);
  }
  if (host?.startsWith('*.') === true) {
    report(['drill', 'host'], JSON.stringify(host), 'one host name, without *');
  }
};

/** A schedule that is rarer than what may be lost cannot keep that objective. */
function recoveryPointObjective(sections: Record<string, unknown>, report: Report): void {
  const backups = siteSections.backup.safeParse(sections.backup);
  const drills = siteSections.drill.safeParse(sections.drill);
  if (!backups.success || !drills.success) return;
  const gaps = gapsOf('backup', backups.data.schedule, () => undefined);
  const { rpo } = drills.data;
  if (gaps !== null && gaps.longestMs > durationMs(rpo)) {
    report(
      ['drill', 'rpo'],
      rpo,
      `at least ${describeDuration(gaps.longestMs)}, the longest time between two backups of backup.schedule`,
    );
  }
}

/** Snapshots of a share are taken through the provider's API, for which the token of the database serves too. */
function shareToken(sections: Record<string, unknown>, report: Report): void {
  const member = (value: unknown, name: string): unknown =>
    typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)[name]
      : undefined;
  const provisioner = member(sections.storage, 'provisioner');
  if (member(provisioner, 'kind') !== 'digitalocean-nfs') return;
  const known = [member(provisioner, 'token'), member(sections.database, 'managed')];
  if (member(provisioner, 'shareId') === undefined || known.some((one) => one !== undefined)) {
    return;
  }
  report(
    ['storage', 'provisioner', 'token'],
    'nothing',
    "a secret reference to a token for the provider's API, because shareId is given and database.managed is not",
  );
}

const checks: { [Name in SectionName]?: Check<Name> } = {
  hosts,
  database,
  storage,
  approvals,
  slo,
  backup,
  drill,
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
  recoveryPointObjective(sections, report);
  shareToken(sections, report);
  return issues;
}
