import type { OperationInput, RoadmapInput } from '../../domain/operation.ts';
import { rollbackLayers } from '../../domain/recovery/point.ts';
import { recoveryPointActions } from '../../domain/recovery/request.ts';
import type {
  BackupInput,
  BackupWatchInput,
  RecoveryPointsInput,
  RestoreDrillInput,
  RollbackInput,
} from '../../domain/recovery/request.ts';
import { failure } from './problems.ts';
import { LAST_IMPLEMENTED_PHASE, LAST_PHASE, phaseName } from './phases.ts';

const SITE_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Ids become names of objects and keys in the bucket, so nothing else may stand in one. */
const POINT_ID = /^[0-9A-Za-z]([-0-9A-Za-z]{0,126}[0-9A-Za-z])?$/;
const TO_THE_SECOND = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/;

type Check = (value: unknown) => string | null;

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null ? null : check(value);

const phaseNumber: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LAST_PHASE
    ? null
    : `a phase number from 0 to ${LAST_PHASE}`;

const oneOf =
  (values: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && values.includes(value) ? null : `one of ${values.join(', ')}`;

const siteName: Check = (value) =>
  typeof value === 'string' && SITE_NAME.test(value)
    ? null
    : 'the name of a site file without its ending';

const text =
  (what: string): Check =>
  (value) =>
    typeof value === 'string' && value.trim() !== '' ? null : what;

const yesOrNo: Check = (value) => (typeof value === 'boolean' ? null : 'true or false');

const pointId: Check = (value) =>
  typeof value === 'string' && POINT_ID.test(value)
    ? null
    : 'the id of a recovery point, such as "20261123T180000Z-acme-backup"';

const layers: Check = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((layer) => (rollbackLayers as readonly unknown[]).includes(layer)) &&
  new Set(value).size === value.length
    ? null
    : `a list of any of ${rollbackLayers.join(', ')}, each once`;

const second: Check = (value) =>
  typeof value === 'string' && TO_THE_SECOND.test(value) && !Number.isNaN(Date.parse(value))
    ? null
    : 'a time with its zone, such as "2026-11-23T18:00:00Z"';

const operationChecks: Record<keyof OperationInput, Check> = {
  site: siteName,
  requestedBy: optional(text('the name of a person')),
  planOnly: optional(yesOrNo),
  onFailure: optional((value) =>
    value === 'ask' || value === 'compensate' ? null : '"ask" or "compensate"',
  ),
};

const { site, requestedBy } = operationChecks;

const backupChecks: Record<keyof BackupInput, Check> = {
  site,
  requestedBy,
  reason: optional(oneOf(['scheduled', 'manual', 'drill', 'before-change'])),
};

const restoreDrillChecks: Record<keyof RestoreDrillInput, Check> = {
  site,
  requestedBy,
  point: optional(pointId),
};

const backupWatchChecks: Record<keyof BackupWatchInput, Check> = { site };

const rollbackChecks: Record<keyof RollbackInput, Check> = {
  ...operationChecks,
  point: optional(pointId),
  layers: optional(layers),
  databaseTime: optional(second),
  maintenance: optional(yesOrNo),
  release: optional(yesOrNo),
};

const recoveryPointsChecks: Record<keyof RecoveryPointsInput, Check> = {
  site,
  action: oneOf(recoveryPointActions),
  point: optional(pointId),
  by: optional(text('the name of a person')),
  reason: optional(text('a reason')),
};

const roadmapChecks: Record<keyof RoadmapInput, Check> = {
  ...operationChecks,
  from: optional(phaseNumber),
  to: optional(phaseNumber),
};

function problemsOf(input: unknown, checks: Record<string, Check>): string[] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return [`found ${JSON.stringify(input)}, wanted an object such as {"site":"acme"}`];
  }
  const members = input as Record<string, unknown>;
  const unknown = Object.keys(members).filter((key) => !Object.hasOwn(checks, key));
  return [
    ...unknown.map((key) => `${key}: unknown; allowed are ${Object.keys(checks).join(', ')}`),
    ...Object.entries(checks).flatMap(([key, check]) => {
      const wanted = check(members[key]);
      return wanted === null
        ? []
        : [`${key}: found ${JSON.stringify(members[key])}, wanted ${wanted}`];
    }),
  ];
}

/** The input without members that are null, which mean the same as absent ones. */
function withoutNulls<T extends object>(input: T): T {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null)) as T;
}

function refuse(problems: string[]): void {
  if (problems.length > 0) {
    throw failure('InvalidInput', `The input is not usable. ${problems.join('; ')}.`);
  }
}

/**
 * An operation's input as it can be worked with.
 *
 * @throws ApplicationFailure `InvalidInput` with every error at once.
 */
export function checkOperationInput(input: unknown): OperationInput {
  refuse(problemsOf(input, operationChecks));
  return withoutNulls(input as OperationInput);
}

/**
 * What `backup` takes.
 *
 * @throws ApplicationFailure `InvalidInput` with every error at once.
 */
export function checkBackupInput(input: unknown): BackupInput {
  refuse(problemsOf(input, backupChecks));
  return withoutNulls(input as BackupInput);
}

/**
 * What `backupWatch` takes.
 *
 * @throws ApplicationFailure `InvalidInput` with every error at once.
 */
export function checkBackupWatchInput(input: unknown): BackupWatchInput {
  refuse(problemsOf(input, backupWatchChecks));
  return withoutNulls(input as BackupWatchInput);
}

/**
 * What `restoreDrill` takes.
 *
 * @throws ApplicationFailure `InvalidInput` with every error at once.
 */
export function checkRestoreDrillInput(input: unknown): RestoreDrillInput {
  refuse(problemsOf(input, restoreDrillChecks));
  return withoutNulls(input as RestoreDrillInput);
}

/**
 * What `rollback` takes.
 *
 * @throws ApplicationFailure `InvalidInput` with every error at once, also for members that exclude each other.
 */
export function checkRollbackInput(input: unknown): RollbackInput {
  const problems = problemsOf(input, rollbackChecks);
  const { release, layers: asked, ...members } = Object(input) as Partial<RollbackInput>;
  const excluded = (['point', 'databaseTime', 'maintenance'] as const).filter(
    (key) => members[key] !== undefined && members[key] !== null,
  );
  refuse([
    ...problems,
    ...(release === true && (excluded.length > 0 || (asked ?? null) !== null)
      ? ['release: deletes what rollbacks have kept and goes back to nothing; leave out the others']
      : []),
    ...(typeof members.databaseTime === 'string' &&
    Array.isArray(asked) &&
    !asked.includes('database')
      ? ['databaseTime: only with "database" among the layers']
      : []),
  ]);
  return withoutNulls(input as RollbackInput);
}

/**
 * What `recoveryPoints` takes.
 *
 * @throws ApplicationFailure `InvalidInput` with every error at once.
 */
export function checkRecoveryPointsInput(input: unknown): RecoveryPointsInput {
  const problems = problemsOf(input, recoveryPointsChecks);
  const { action, point, by } = Object(input) as Partial<RecoveryPointsInput>;
  const aboutOne = action !== undefined && !['list', 'prune'].includes(action);
  refuse([
    ...problems,
    ...(aboutOne && (point ?? null) === null
      ? [`point: found ${JSON.stringify(point)}, wanted the id of a recovery point`]
      : []),
    ...(action === 'pin' && (by ?? null) === null
      ? [`by: found ${JSON.stringify(by)}, wanted the name of the person who pins it`]
      : []),
  ]);
  return withoutNulls(input as RecoveryPointsInput);
}

/**
 * The roadmap's input with both ends of the range filled in: by default every phase there is.
 *
 * @throws ApplicationFailure `InvalidInput` with every error at once, also for phases that do not exist yet.
 */
export function checkRoadmapInput(
  input: unknown,
): Required<Pick<RoadmapInput, 'from' | 'to'>> & OperationInput {
  refuse(problemsOf(input, roadmapChecks));
  const checked = withoutNulls(input as RoadmapInput);
  const from = checked.from ?? 0;
  const to = checked.to ?? LAST_IMPLEMENTED_PHASE;
  const notYet = [from, to].filter((phase) => phase > LAST_IMPLEMENTED_PHASE);
  refuse([
    ...new Set(
      notYet.map(
        (phase) =>
          `phase ${phase} (${phaseName(phase)}) is not there yet; the last one is ${LAST_IMPLEMENTED_PHASE}`,
      ),
    ),
  ]);
  refuse(from > to ? [`from: found ${from}, wanted at most ${to}, the value of to`] : []);
  return { ...checked, from, to };
}
