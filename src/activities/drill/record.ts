import type { CriterionResult } from '../../domain/criterion.ts';
import { criterionOfFailure, drillCriterion } from '../../domain/recovery/drill-criteria.ts';
import { scheduledCopyCriterion, type KnownPoint } from '../../domain/recovery/drill-freshness.ts';
import { drillHtml } from '../../domain/recovery/drill-html.ts';
import { drillMarkdown } from '../../domain/recovery/drill-markdown.ts';
import { badFindings, buildDrillReport, trendLength } from '../../domain/recovery/drill-report.ts';
import { failures } from '../../domain/failures.ts';
import type { DrillReport } from '../../domain/recovery/point.ts';
import type { DrillActivities } from '../contracts.ts';
import { failureTypeOf } from '../failure.ts';
import { openCatalogue, type Catalogue } from '../recovery/catalogue.ts';
import type { DrillDeps } from './deps.ts';

type RecordInput = Parameters<DrillActivities['recordDrill']>[0];

/** The activity `recordDrill`. */
export function createRecordDrill(deps: DrillDeps): Pick<DrillActivities, 'recordDrill'> {
  return {
    async recordDrill(input) {
      const endedAt = deps.now().toISOString();
      const build = (criteria: CriterionResult[], earlier: DrillReport[]) =>
        buildDrillReport(input.site, { ...input, endedAt, criteria, earlier });
      let catalogue: Catalogue;
      try {
        catalogue = await openCatalogue(deps, input.site);
      } catch (error) {
        return { report: build([...input.criteria, unreachable(error)], []), keys: [] };
      }
      try {
        const criteria = [
          ...input.criteria,
          ...(await whatKeptItClosed(catalogue, input)),
          scheduledCopyCriterion(
            input.site,
            { startedAt: input.startedAt, restored: input.takenAt },
            await pointsSinceSchedule(catalogue),
          ),
        ];
        const earlier = await catalogue.reports(trendLength);
        const report = build(criteria, earlier);
        const keys = await store(catalogue, input.point, report);
        await judge(catalogue, input, report).catch((error: unknown) => {
          // A point that retention took away meanwhile, or that somebody changed, has no mark to be given.
          const type = failureTypeOf(error) ?? '';
          if (!['NotFound', 'CatalogueTampered'].includes(type)) throw error;
        });
        return { report, keys };
      } catch (error) {
        // Without its bucket the drill still says what it found; its report is in the workflow's result.
        return { report: build([...input.criteria, unreachable(error)], []), keys: [] };
      } finally {
        catalogue.close();
      }
    },
  };
}

/** The criterion of a bucket that refuses. @throws the error itself where it may pass */
function unreachable(error: unknown): CriterionResult {
  const type = failureTypeOf(error);
  if (type === null || failures[type].retryable) throw error;
  const message = (error as Error).message;
  const refused = ['Unauthorized', 'Forbidden', 'NotFound', 'RepositoryRefused', 'SecretMissing'];
  if (!refused.includes(type)) return criterionOfFailure(type, message);
  // A bucket that is gone is not a backup that was never finished.
  return drillCriterion('repository-keys', {
    pass: false,
    measured: type,
    target: 'opened',
    evidence: { failure: message },
  });
}

/** Why the point was never opened, as the criterion that names it: the catalogue is asked once more. */
async function whatKeptItClosed(
  catalogue: Catalogue,
  { takenAt, point }: RecordInput,
): Promise<CriterionResult[]> {
  if (takenAt !== null || point === null) return [];
  try {
    await catalogue.read(point);
    return [];
  } catch (error) {
    const type = failureTypeOf(error);
    if (type === null || failures[type].retryable) throw error;
    if (['CatalogueTampered', 'InvalidInput', 'NotFound'].includes(type)) {
      return [criterionOfFailure(type, (error as Error).message)];
    }
    throw error;
  }
}

/** Points from the newest back to the first that is sound and that no drill took. Those that cannot be trusted are none. */
async function pointsSinceSchedule(catalogue: Catalogue): Promise<KnownPoint[]> {
  const known: KnownPoint[] = [];
  for (const candidate of await catalogue.list()) {
    try {
      const { id, takenAt, reason } = await catalogue.read(candidate);
      const bad = (await catalogue.state(candidate)).bad !== null;
      known.push({ id, takenAt, reason, bad });
      if (reason !== 'drill' && !bad) break;
    } catch (error) {
      const type = failureTypeOf(error) ?? '';
      if (!['CatalogueTampered', 'NotFound', 'InvalidInput'].includes(type)) throw error;
    }
  }
  return known;
}

async function store(
  catalogue: Catalogue,
  point: string | null,
  report: DrillReport,
): Promise<string[]> {
  const { drill } = report;
  const sealed = catalogue.sealReport(report);
  // Whoever reads the page can check that it is the drill's: the signature is that of the same name with `.sig`.
  const markdown = drillMarkdown(report);
  const html = drillHtml(report);
  return [
    await catalogue.putReport(point, `${drill}.md`, markdown, 'text/markdown; charset=utf-8'),
    await catalogue.putReport(point, `${drill}.html`, html, 'text/html; charset=utf-8'),
    await catalogue.putReport(
      point,
      `${drill}.sig`,
      `${JSON.stringify({ md: catalogue.sign(markdown), html: catalogue.sign(html) })}\n`,
      'application/json',
    ),
    // Last: with it the drill counts as recorded.
    await catalogue.putReport(point, `${drill}.json`, sealed, 'application/json'),
  ];
}

/** Marks the point: proved by a drill that passed, bad by one that saw something wrong with it. */
async function judge(catalogue: Catalogue, input: RecordInput, report: DrillReport): Promise<void> {
  const { point, drill, operationId, takenAt } = input;
  if (point === null || takenAt === null) return;
  const findings = badFindings(report);
  if (report.pass) {
    const proved = { at: report.endedAt, drill, rtoMs: report.rtoMs };
    await catalogue.setState(point, { proved, bad: null });
  } else if (findings.length > 0) {
    await catalogue.setState(point, { bad: { at: report.endedAt, by: operationId, findings } });
  }
}
