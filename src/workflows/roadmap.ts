import type { RoadmapInput, RoadmapReport } from '../domain/operation.ts';
import { phasesBetween } from './parts/phases.ts';
import { runJourney } from './parts/journey.ts';
import { versioned } from './parts/versioning.ts';

// A run stays on the code it started with; each phase is a run of its own.
versioned('PINNED', roadmap);

/** The roadmap: its phases in order, each a child under its own id, with a person's go between one and the next. */
export async function roadmap(input: RoadmapInput): Promise<RoadmapReport> {
  return runJourney(input, async (journey) => {
    const phases = phasesBetween(journey.input.from, journey.input.to);
    for (const [index, phase] of phases.entries()) {
      const report = await journey.phase(phase);
      const next = phases[index + 1];
      if (next !== undefined) await journey.goOrNoGo(phase, report, next);
    }
  });
}
