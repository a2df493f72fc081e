import type { OperationInput, RoadmapInput } from '../../domain/operation.ts';
import { failure } from './problems.ts';
import { LAST_IMPLEMENTED_PHASE, LAST_PHASE, phaseName } from './phases.ts';

const SITE_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

type Check = (value: unknown) => string | null;

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || value === null ? null : check(value);

const phaseNumber: Check = (value) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= LAST_PHASE
    ? null
    : `a phase number from 0 to ${LAST_PHASE}`;

const operationChecks: Record<keyof OperationInput, Check> = {
  site: (value) =>
    typeof value === 'string' && SITE_NAME.test(value)
      ? null
      : 'the name of a site file without its ending',
  requestedBy: optional((value) =>
    typeof value === 'string' && value.trim() !== '' ? null : 'the name of a person',
  ),
  planOnly: optional((value) => (typeof value === 'boolean' ? null : 'true or false')),
  onFailure: optional((value) =>
    value === 'ask' || value === 'compensate' ? null : '"ask" or "compensate"',
  ),
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
