import type { CriterionResult } from '../criterion.ts';
import type { FailureType } from '../failures.ts';
import type { Json } from '../json.ts';

/**
 * Everything that a drill has to show, in the order of its report. A drill passes when all of these pass; one that was not
 * measured has failed. docs/guides/drills.md says which damage shows in which. Workflow code may import this file.
 */
export const drillCriteria = {
  catalogue: "The catalogue's document is signed and as it was written",
  'wrong-site': 'The recovery point is of this site',
  'half-finished': 'The recovery point is whole',
  'repository-keys': 'The repository opens with the keys and the password that the site file names',
  'repository-data':
    "Every byte of the point's data reads back with the hash that it was stored under",
  place: 'A throwaway namespace and database were made',
  'file-manifest': 'The list of files is the one that the recovery point names',
  'empty-volume': 'No volume came back empty',
  'missing-files': 'Every file of the list is back',
  'changed-files': 'Every file has the content that the list names',
  permissions: 'Every file has its owner and its mode',
  'truncated-dump': 'The dump is whole and loads',
  'missing-table': 'Every table is back',
  rows: 'Every table has as many rows as when the point was taken',
  'changed-rows': 'The rows of every table have the content that they had',
  structure: 'Columns and keys of every table are as they were',
  charset: 'Character sets and collations are as they were',
  triggers: 'Triggers are back as they were',
  routines: 'Routines, events and views are back as they were',
  image: "The recovery point's images can still be had, and run",
  boot: 'WordPress starts on what was restored',
  sealed: 'The copy sends no mail, runs no cron and reaches no other host',
  'serialized-data': 'No serialized value is broken, before the change of host and after it',
  'host-replaced': "No address of the live site is left in the copy's database",
  sentinel: 'The row and the file that were written just before the backup are back',
  'plugin-versions': 'Plugins and themes are there in their versions, active as they were',
  'wordpress-version': 'WordPress and its database have the versions that they had',
  options: 'Options that files alone do not bring back are as they were',
  salts: 'Keys and salts are those of the recovery point, so that logins stay valid',
  'newest-post': 'The newest post is the one that was the newest',
  'front-page': 'The front page answers with what visitors saw',
  post: 'A post answers with what visitors saw',
  search: 'The search finds that post',
  login: 'A login is accepted',
  'wp-admin': 'wp-admin opens after the login',
  'missing-media': 'Every media file of the library is there, and a sample is served byte for byte',
  rto: 'The restore took no longer than the recovery time objective',
  rpo: 'The restore loses no more than the recovery point objective',
  'scheduled-copy-age':
    'Without the backup of this drill, the newest sound recovery point would be within the recovery point objective',
} as const;

export type DrillCriterion = keyof typeof drillCriteria;

/** Criteria that say something about the drill, not about the recovery point: missing one does not make the point bad. */
export const aboutTheDrill: readonly string[] = [
  'place',
  'sealed',
  'rto',
  'rpo',
  'scheduled-copy-age',
] satisfies DrillCriterion[];

/** A measured criterion under its fixed title. */
export function drillCriterion(
  id: DrillCriterion,
  outcome: { pass: boolean; measured: Json; target: Json; evidence?: Json },
): CriterionResult {
  const { pass, measured, target, evidence = null } = outcome;
  return { id, title: drillCriteria[id], measured, target, pass, evidence };
}

/** A criterion that could not be measured: it has failed, and says why. */
export function notMeasured(id: DrillCriterion, why: string): CriterionResult {
  return drillCriterion(id, {
    pass: false,
    measured: null,
    target: 'measured',
    evidence: { notMeasured: why },
  });
}

/** Several that share one reason. */
export function noneMeasured(ids: readonly DrillCriterion[], why: string): CriterionResult[] {
  return ids.map((id) => notMeasured(id, why));
}

/** Why nothing could be measured; null for a criterion that passed, or failed because of what was seen. */
export function whyUnmeasured({ pass, measured, evidence }: CriterionResult): string | null {
  if (pass || measured !== null || typeof evidence !== 'object' || evidence === null) return null;
  if (!('notMeasured' in evidence)) return null;
  return typeof evidence.notMeasured === 'string' ? evidence.notMeasured : '';
}

/** Whether a criterion failed because nothing could be measured, rather than because of what was seen. */
export function isUnmeasured(criterion: CriterionResult): boolean {
  return whyUnmeasured(criterion) !== null;
}

/**
 * Takes results of a stage into those of the stages before. Several stages look at some criteria, each from its side and in any
 * order: one that saw something wrong counts, then one that could not measure it, and only then one that saw nothing wrong.
 */
export function mergeCriteria(known: CriterionResult[], found: readonly CriterionResult[]): void {
  for (const criterion of found) {
    const place = known.findIndex(({ id }) => id === criterion.id);
    const earlier = known[place];
    if (earlier === undefined) known.push(criterion);
    else if (gravity(criterion) > gravity(earlier)) known[place] = criterion;
  }
}

function gravity(criterion: CriterionResult): number {
  if (criterion.pass) return 0;
  return isUnmeasured(criterion) ? 1 : 2;
}

/** Every criterion of a drill in its order: the gravest result of each, and those that nobody measured as failed. */
export function completeCriteria(found: readonly CriterionResult[]): CriterionResult[] {
  const known = Object.keys(drillCriteria) as DrillCriterion[];
  const merged: CriterionResult[] = [];
  mergeCriteria(merged, found);
  return [
    ...known.map(
      (id) =>
        merged.find((one) => one.id === id) ?? notMeasured(id, 'the drill did not come this far'),
    ),
    ...merged.filter(({ id }) => !(id in drillCriteria)),
  ];
}

const failureCriteria: Partial<Record<FailureType, DrillCriterion>> = {
  CatalogueTampered: 'catalogue',
  InvalidInput: 'wrong-site',
  NotFound: 'half-finished',
  BackupIncomplete: 'half-finished',
  Unauthorized: 'repository-keys',
  RepositoryRefused: 'repository-keys',
  SecretMissing: 'repository-keys',
};

/** The criterion that a failure of `openDrill` stands for: damage is a finding of the drill, not an error of it. */
export function criterionOfFailure(type: string, message: string): CriterionResult {
  const id = failureCriteria[type as FailureType] ?? 'place';
  return drillCriterion(id, {
    pass: false,
    measured: type,
    target: 'no failure',
    evidence: { failure: message },
  });
}
