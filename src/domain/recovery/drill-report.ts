import type { CriterionResult } from '../criterion.ts';
import { describeDuration, durationMs } from '../durations.ts';
import type { Site } from '../site/schema.ts';
import {
  aboutTheDrill,
  completeCriteria,
  drillCriterion,
  isUnmeasured,
  notMeasured,
} from './drill-criteria.ts';
import type { DrillReport, DrillStage } from './point.ts';

/** Earlier drills that a report shows. */
export const trendLength = 12;

/** Stages of a drill. What a real recovery would have to do too counts towards the recovery time. */
export const drillStages = {
  open: { title: 'Make the throwaway namespace and database', countsForRto: false },
  repository: { title: "Read and check the point's data in the repository", countsForRto: false },
  volumes: { title: 'Make the volumes', countsForRto: true },
  files: { title: 'Restore the files and compare every one', countsForRto: true },
  database: { title: 'Restore the database and compare every table', countsForRto: true },
  start: { title: "Start WordPress from the point's image", countsForRto: true },
  host: { title: 'Move the copy to its own host', countsForRto: false },
  wordpress: { title: 'Compare WordPress with the recovery point', countsForRto: false },
  pages: { title: 'Ask for pages and media', countsForRto: false },
} as const;

export type DrillStageId = keyof typeof drillStages;

/** A timed stage under its fixed title. @param from,to milliseconds since 1970 */
export function drillStage(id: DrillStageId, from: number, to: number): DrillStage {
  const startedAt = new Date(from).toISOString();
  return { id, ...drillStages[id], startedAt, ms: Math.max(0, Math.round(to - from)) };
}

/**
 * Milliseconds in which at least one of the stages that count was under way: files and database are restored at the same
 * time, and what happens between the stages of a drill is not part of a recovery.
 */
export function recoveryTimeMs(stages: readonly DrillStage[]): number {
  const spans = stages
    .filter(({ countsForRto }) => countsForRto)
    .map(({ startedAt, ms }) => ({ from: Date.parse(startedAt), to: Date.parse(startedAt) + ms }))
    .sort((a, b) => a.from - b.from);
  let covered = 0;
  let end = Number.NEGATIVE_INFINITY;
  for (const { from, to } of spans) {
    covered += Math.max(0, to - Math.max(from, end));
    end = Math.max(end, to);
  }
  return covered;
}

export interface DrillOutcome {
  drill: string;
  /** Null when no point could be opened. */
  point: string | null;
  startedAt: string;
  endedAt: string;
  takenAt: string | null;
  criteria: readonly CriterionResult[];
  stages: readonly DrillStage[];
  /** Earlier drills, newest last. */
  earlier: readonly DrillReport[];
}

/** The report of a drill: all criteria, recovery time and recovery point against the targets, trend of the drills before. */
export function buildDrillReport(site: Site, outcome: DrillOutcome): DrillReport {
  const targets = { rtoMs: durationMs(site.drill.rto), rpoMs: durationMs(site.drill.rpo) };
  const stages = [...outcome.stages].sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  const rtoMs = recoveryTimeMs(stages);
  const rpoMs = recoveryPointMs(outcome, stages);
  const criteria = completeCriteria([
    ...outcome.criteria,
    ...(outcome.takenAt === null ? placeNotMade(outcome.criteria) : [placeCriterion]),
    rtoCriterion(stages, rtoMs, targets.rtoMs),
    rpoCriterion(rpoMs, targets.rpoMs),
  ]);
  const pass = criteria.every((criterion) => criterion.pass);
  const earlier = outcome.earlier.filter(({ drill }) => drill !== outcome.drill);
  return {
    schema: 1,
    site: site.name,
    drill: outcome.drill,
    point: outcome.point ?? '',
    pass,
    startedAt: outcome.startedAt,
    endedAt: outcome.endedAt,
    rtoMs,
    rpoMs: rpoMs ?? 0,
    targets,
    stages,
    criteria,
    trend: [
      ...earlier.map((report) => ({ ...lineOf(report) })),
      { drill: outcome.drill, at: outcome.endedAt, pass, rtoMs, rpoMs: rpoMs ?? 0 },
    ].slice(-trendLength),
  };
}

/**
 * Ids of the criteria that saw something wrong with the recovery point itself. What could not be measured says nothing about it,
 * nor do time and the cluster's room for a copy.
 */
export function badFindings(report: DrillReport): string[] {
  return report.criteria
    .filter((criterion) => !criterion.pass && !isUnmeasured(criterion))
    .map(({ id }) => id)
    .filter((id) => !aboutTheDrill.includes(id) && !id.startsWith('stage-'));
}

/** Without a place a drill learns nothing of the point, not even when it was taken. */
const placeCriterion = drillCriterion('place', { pass: true, measured: 'made', target: 'made' });

/** What the stage said that was to make it: a person has to do something about that. */
function placeNotMade(criteria: readonly CriterionResult[]): CriterionResult[] {
  const said = criteria.find(({ id }) => id === 'stage-open')?.evidence;
  return typeof said === 'string' ? [notMeasured('place', said)] : [];
}

const lineOf = ({ drill, endedAt, pass, rtoMs, rpoMs }: DrillReport) => ({
  drill,
  at: endedAt,
  pass,
  rtoMs,
  rpoMs,
});

/**
 * From when the point was taken to when the restore began: what is lost when the site breaks at that moment. A drill that
 * takes its own backup first begins its restore after it.
 */
function recoveryPointMs(outcome: DrillOutcome, stages: readonly DrillStage[]): number | null {
  if (outcome.takenAt === null) return null;
  const asked = stages.find(({ countsForRto }) => countsForRto)?.startedAt ?? outcome.endedAt;
  return Math.max(0, Date.parse(asked) - Date.parse(outcome.takenAt));
}

function rtoCriterion(stages: readonly DrillStage[], rtoMs: number, targetMs: number) {
  const missing = (Object.keys(drillStages) as DrillStageId[]).filter(
    (id) => drillStages[id].countsForRto && !stages.some((stage) => stage.id === id),
  );
  // A restore that broke off early was not fast.
  if (missing.length > 0) return notMeasured('rto', `stages did not end: ${missing.join(', ')}`);
  return drillCriterion('rto', {
    pass: rtoMs <= targetMs,
    measured: rtoMs,
    target: { atMostMs: targetMs },
    evidence: {
      took: describeDuration(rtoMs),
      stages: Object.fromEntries(
        stages.filter(({ countsForRto }) => countsForRto).map(({ id, ms }) => [id, ms]),
      ),
    },
  });
}

function rpoCriterion(rpoMs: number | null, targetMs: number) {
  if (rpoMs === null) return notMeasured('rpo', 'no recovery point was opened');
  return drillCriterion('rpo', {
    pass: rpoMs <= targetMs,
    measured: rpoMs,
    target: { atMostMs: targetMs },
    evidence: { lost: describeDuration(rpoMs) },
  });
}
