import type { CriterionResult } from '../criterion.ts';
import type { JsonObject } from '../json.ts';
import { drillCriterion } from './drill-criteria.ts';
import type { FilesComparison } from './files-comparison.ts';

/** What one restored volume looks like beside its list of files. Lists are samples of paths, `<claim>/…`; `counts` are whole. */
export interface RestoredVolume extends Omit<FilesComparison, 'errors'> {
  claim: string;
  /** It has plugins, themes or all of WordPress, and so is never rightly empty, whatever the list says. */
  holdsCode: boolean;
}

/** Criteria of the restored files. */
export function filesCriteria(volumes: readonly RestoredVolume[]): CriterionResult[] {
  const sum = (read: (volume: RestoredVolume) => number) =>
    volumes.reduce((total, volume) => total + read(volume), 0);
  // Paths begin with the claim.
  const sample = (read: (volume: RestoredVolume) => string[]) => volumes.flatMap(read).slice(0, 20);
  const expected = sum((volume) => volume.expected);
  const tampered = volumes.filter(({ manifestIntact }) => !manifestIntact);
  const empty = volumes.filter(
    ({ files, expected: wanted, holdsCode }) => files === 0 && (wanted > 0 || holdsCode),
  );
  const counted = Object.fromEntries(volumes.map(({ claim, files }) => [claim, files]));
  const differing = (
    id: 'missing-files' | 'changed-files' | 'permissions',
    kind: 'missing' | 'changed' | 'permissions',
  ) => {
    const count = sum((volume) => volume.counts[kind]);
    return drillCriterion(id, {
      // Nothing to compare with is no proof.
      pass: count === 0 && expected > 0,
      measured: expected === 0 ? null : count,
      target: 0,
      evidence: { of: expected, paths: sample((volume) => volume[kind]) },
    });
  };
  return [
    drillCriterion('file-manifest', {
      pass: tampered.length === 0 && volumes.length > 0,
      measured: volumes.length === 0 ? null : tampered.length === 0,
      target: true,
      evidence: { files: expected },
    }),
    drillCriterion('empty-volume', {
      pass: volumes.length > 0 && empty.length === 0,
      measured: counted,
      target: 'at least one file in each',
      evidence: { empty: empty.map(({ claim }) => claim) },
    }),
    differing('missing-files', 'missing'),
    drillCriterion('changed-files', {
      pass: sum((volume) => volume.counts.changed) === 0 && expected > 0,
      measured: expected === 0 ? null : sum((volume) => volume.counts.changed),
      target: 0,
      evidence: {
        of: expected,
        bytes: sum((volume) => volume.bytes),
        paths: sample((volume) => volume.changed),
        // Not in the list: written while it was taken, where there was no snapshot.
        besides: sum((volume) => volume.counts.extra),
        besidesPaths: sample((volume) => volume.extra),
      },
    }),
    differing('permissions', 'permissions'),
  ];
}

/** How a restored database differs from the manifest of its point. */
export interface RestoredDatabase {
  tables: number;
  rows: number;
  missingTables: string[];
  extraTables: string[];
  rowCounts: { table: string; expected: number; found: number }[];
  changed: string[];
  structure: string[];
  triggers: string[];
  routines: string[];
  events: string[];
  views: string[];
  charset: string[];
}

/** Criteria of the restored database. `truncated-dump` passes here: a dump that does not load never comes this far. */
export function databaseCriteria(found: RestoredDatabase): CriterionResult[] {
  const none = (
    id: 'missing-table' | 'changed-rows' | 'structure' | 'charset' | 'triggers' | 'routines',
    names: string[],
    evidence: JsonObject = {},
  ) =>
    drillCriterion(id, {
      pass: names.length === 0 && found.tables > 0,
      measured: found.tables === 0 ? null : names.length,
      target: 0,
      evidence: { ...evidence, names: names.slice(0, 20) },
    });
  const of = { tables: found.tables };
  const lost = found.rowCounts.reduce((sum, one) => sum + Math.max(0, one.expected - one.found), 0);
  return [
    drillCriterion('truncated-dump', {
      pass: true,
      measured: 'loaded to its end',
      target: 'loaded to its end',
      evidence: of,
    }),
    none('missing-table', found.missingTables, { ...of, besides: found.extraTables.slice(0, 20) }),
    drillCriterion('rows', {
      pass: found.rowCounts.length === 0 && found.tables > 0,
      measured: found.tables === 0 ? null : found.rowCounts.length,
      target: 0,
      evidence: {
        rows: found.rows,
        lost,
        tables: found.rowCounts.slice(0, 20).map((one) => ({ ...one })),
      },
    }),
    none('changed-rows', found.changed, of),
    none('structure', found.structure, of),
    none('charset', found.charset),
    none('triggers', found.triggers),
    none('routines', [...found.routines, ...found.events, ...found.views]),
  ];
}

/** Criteria that a restored database is measured by. */
export const databaseCriteriaIds = [
  'truncated-dump',
  'missing-table',
  'rows',
  'changed-rows',
  'structure',
  'charset',
  'triggers',
  'routines',
] as const;

export const filesCriteriaIds = [
  'file-manifest',
  'empty-volume',
  'missing-files',
  'changed-files',
  'permissions',
] as const;
