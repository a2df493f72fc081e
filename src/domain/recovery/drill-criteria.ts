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
} as const;

export type DrillCriterion = keyof typeof drillCriteria;

/** Criteria that say something about the drill, not about the recovery point: missing one does not make the point bad. */
export const aboutTheDrill: readonly string[] = [
  'place',
  'sealed',
  'rto',
  'rpo',
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

/** Whether a criterion failed because nothing could be measured, rather than because of what was seen. */
export function isUnmeasured({ pass, measured, evidence }: CriterionResult): boolean {
  return (
    !pass &&
    measured === null &&
    typeof evidence === 'object' &&
    evidence !== null &&
    'notMeasured' in evidence
  );
}

/** Every criterion of a drill in its order: the first result of each, and those that nobody measured as failed. */
export function completeCriteria(found: readonly CriterionResult[]): CriterionResult[] {
  const known = Object.keys(drillCriteria) as DrillCriterion[];
  const byId = new Map<string, CriterionResult>();
  for (const criterion of found) {
    const earlier = byId.get(criterion.id);
    // Of two results of the same criterion the one that failed counts.
    if (earlier === undefined || (earlier.pass && !criterion.pass))
      byId.set(criterion.id, criterion);
  }
  const others = [...byId.values()].filter(({ id }) => !(id in drillCriteria));
  return [
    ...known.map((id) => byId.get(id) ?? notMeasured(id, 'the drill did not come this far')),
    ...others,
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
