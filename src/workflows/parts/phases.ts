import type { PhaseOperation } from '../../domain/operation.ts';

/** The roadmap's phases by number; `operation` is the workflow type once it exists. */
const phases: { name: string; title: string; operation: PhaseOperation | null }[] = [
  { name: 'prerequisites', title: 'Prerequisites', operation: 'prerequisites' },
  { name: 'hybridStorage', title: 'Hybrid storage', operation: 'hybridStorage' },
  { name: 'mediaOffload', title: 'Media offload and CDN', operation: null },
  { name: 'cachingAndTuning', title: 'Caching and tuning', operation: null },
  { name: 'observability', title: 'Observability and load', operation: null },
  { name: 'hardening', title: 'Hardening', operation: null },
  { name: 'immutableCore', title: 'Immutable core', operation: null },
];

export const LAST_PHASE = phases.length - 1;

export const LAST_IMPLEMENTED_PHASE = phases.findLastIndex((phase) => phase.operation !== null);

export interface Phase {
  number: number;
  title: string;
  operation: PhaseOperation;
}

export function phaseName(number: number): string {
  return phases[number]?.name ?? String(number);
}

/** The implemented phases from one number to another, both included. */
export function phasesBetween(from: number, to: number): Phase[] {
  return phases.flatMap(({ title, operation }, number) =>
    operation !== null && number >= from && number <= to ? [{ number, title, operation }] : [],
  );
}
