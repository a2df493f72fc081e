/**
 * `npm test`: every layer that needs no cluster, each with the real servers it needs, started by the tests themselves.
 * What is missing is built first (and cached). `npm test -- unit replay` runs only the named layers.
 */
import { parseArgs } from 'node:util';
import { buildGoPrograms, defaultCacheDir } from '../deploy/sandbox/build/go-programs.ts';
import { buildImages } from '../deploy/sandbox/build/images.ts';
import { images } from '../deploy/sandbox/components/images.ts';
import { installPackages, missingPackages } from '../deploy/sandbox/packages.ts';
import type { GoProgramName } from '../deploy/sandbox/programs/catalogue.ts';
import { runLayer, summarize, type LayerResult } from './support/vitest-run.ts';

/** Go programs whose servers a layer starts. */
const layers: Record<string, GoProgramName[]> = {
  unit: [],
  workflows: ['temporal'],
  replay: [],
  activities: ['etcd', 'kubernetes', 'versitygw'],
};

const { positionals } = parseArgs({ allowPositionals: true });
const chosen = positionals.length > 0 ? positionals : Object.keys(layers);
const unknown = chosen.filter((layer) => !(layer in layers));
if (unknown.length > 0) {
  console.error(
    `npm test: no layer ${unknown.join(', ')}; there are ${Object.keys(layers).join(', ')}`,
  );
  process.exit(2);
}

const programs = [...new Set(chosen.flatMap((layer) => layers[layer] ?? []))];
if (programs.length > 0) {
  await buildGoPrograms({
    names: programs,
    cacheDir: defaultCacheDir(),
    onProgress: ({ name, state, elapsedMs }) => {
      if (state !== 'cached') console.log(`${name}: ${state} (${Math.round(elapsedMs / 1000)} s)`);
    },
  });
}

// Scripts of Jobs and the agent run in the images that they are made for.
if (chosen.includes('activities')) {
  const missing = await missingPackages(images.packages ?? []);
  if (missing.length > 0) {
    await installPackages(missing, (line) => console.log(line), new AbortController().signal);
  }
  await buildImages({ names: ['toolbox', 'wordpress'], cacheDir: defaultCacheDir() });
}

const results: LayerResult[] = [];
for (const layer of chosen) {
  console.log(`\n== ${layer}`);
  results.push(await runLayer(layer));
}
process.exit(summarize(results));
