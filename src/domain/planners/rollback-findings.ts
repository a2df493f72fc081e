import { TRACK_LABEL } from '../kubernetes/names.ts';
import type { Finding } from '../plan.ts';
import { databaseHosts } from '../kubernetes/database-move.ts';
import { finding } from './finding.ts';
import { cdnRulesFindings } from './rollback-cdn.ts';
import { databaseFindings } from './rollback-findings-database.ts';
import { foldersWithoutTree, type RollbackSituation } from './rollback-situation.ts';
import { notComingBack, pointSentence, seconds } from './rollback-words.ts';

/** What a person should know before the layers of a plan go back. An `error` forbids going on. */
export function rollbackFindings(situation: RollbackSituation): Finding[] {
  return [
    ...requestFindings(situation),
    ...pointFindings(situation),
    ...extensionFindings(situation),
    ...appFindings(situation),
    ...databaseFindings(situation),
    ...cdnFindings(situation),
    ...siteFindings(situation),
    expectedTime(situation),
    nothingComesBackOf(situation),
  ].filter((one) => one !== null);
}

function requestFindings({ site, request, facts, layers }: RollbackSituation): Finding[] {
  const found: Finding[] = [];
  const { databaseTime } = request;
  if (databaseTime !== undefined && site.database.managed === undefined) {
    found.push(
      finding(
        'error',
        'no-point-in-time',
        'The site file names no managed database, so there is no point-in-time recovery.',
        'Go back to the dump of a recovery point: leave databaseTime out.',
      ),
    );
  }
  if (databaseTime !== undefined && !layers.includes('database')) {
    found.push(
      finding(
        'error',
        'time-without-database',
        'A time was given for the database, but the database is not among the layers.',
        'Name the layer database, or leave databaseTime out.',
      ),
    );
  }
  if (facts.point === null && layers.some((layer) => layer !== 'database')) {
    found.push(
      finding('error', 'no-recovery-point', 'There is no recovery point to go back to.', null),
    );
  }
  return found;
}

function pointFindings(situation: RollbackSituation): Finding[] {
  const { facts, layers, request } = situation;
  const { point, state, passedOver } = facts;
  if (point === null) return [];
  const found: Finding[] = [];
  const sentence = layers.length === 0 ? null : pointSentence(situation);
  if (sentence !== null) {
    const others = passedOver.length === 0 ? null : `Passed over: ${passedOver.join('; ')}.`;
    found.push(
      finding(
        'info',
        'recovery-point-chosen',
        [sentence, others].filter(Boolean).join(' '),
        'Name another one with --point; `presslift recovery-points` lists them.',
        {
          ...{ point: point.id, takenAt: point.takenAt, reason: point.reason },
          ...{ proved: state?.proved ?? null },
        },
      ),
    );
  }
  if (state?.bad != null) {
    found.push(
      finding(
        'warning',
        'recovery-point-bad',
        `${state.bad.by} found the recovery point ${point.id} bad on ${state.bad.at}.`,
        'Go back to another one, unless this is the best there is.',
        { findings: state.bad.findings },
      ),
    );
  }
  const holds: Record<(typeof layers)[number], boolean> = {
    database: point.database !== null || request.databaseTime !== undefined,
    'plugins-themes': point.files !== null,
    app: point.app !== null,
    cdn: point.cdn !== null,
  };
  for (const layer of layers.filter((one) => !holds[one])) {
    found.push(
      finding(
        'error',
        `point-lacks-${layer}`,
        `The recovery point ${point.id} does not hold the layer ${layer}.`,
        'Choose another recovery point, or leave this layer out.',
        { missing: point.missing },
      ),
    );
  }
  return found;
}

function extensionFindings(situation: RollbackSituation): Finding[] {
  const { facts, layers } = situation;
  const { point, extensions } = facts;
  if (point === null || point.files === null) return [];
  const asked = layers.includes('plugins-themes');
  const level = asked ? 'error' : 'warning';
  const found: Finding[] = [];
  if (extensions.error !== null) {
    found.push(
      finding(
        level,
        'extensions-not-compared',
        `Plugins and themes could not be compared with the point: ${extensions.error}`,
        'Mend this first, or leave the layer plugins-themes out.',
      ),
    );
  } else if (asked) {
    for (const folder of foldersWithoutTree(situation)) {
      found.push(
        finding(
          'error',
          `no-tree-for-${folder.split('/').at(-1)}`,
          `${folder} is not on a volume, or the point does not hold it.`,
          'Only folders on a claim can be exchanged.',
        ),
      );
    }
    for (const tree of extensions.trees.filter(({ path }) => path === '')) {
      found.push(
        finding(
          'error',
          'tree-is-whole-claim',
          `${tree.folder} is the root of the claim ${tree.claim}, which cannot be renamed.`,
          'Mount a folder of the claim instead.',
        ),
      );
    }
  }
  if (asked && facts.options === null && point.wordpress !== null && !layers.includes('database')) {
    found.push(
      finding(
        'warning',
        'options-not-read',
        `Nobody could tell which plugins and theme are active: ${facts.wordpressError ?? 'WordPress does not answer'}. They are not set back.`,
        'They are compared once PHP runs again. Where they differ then, start this rollback once more.',
      ),
    );
  }
  const versions = asked && !layers.includes('database') ? dataStays(situation) : null;
  return versions === null ? found : [...found, versions];
}

/** Code goes back and its data does not: options that end in `version` and differ tell of it. */
function dataStays({ facts }: RollbackSituation): Finding | null {
  const then = facts.point?.wordpress?.options ?? {};
  const now = facts.options ?? {};
  const differing = Object.keys(then)
    .filter((name) => /version$/.test(name) && name in now)
    .filter((name) => JSON.stringify(then[name]) !== JSON.stringify(now[name]));
  if (differing.length === 0) return null;
  const evidence = Object.fromEntries(
    differing.map((name) => [name, { then: then[name] ?? null, now: now[name] ?? null }]),
  );
  return finding(
    'warning',
    'data-stays-newer',
    `Plugins have changed their data since then (${differing.join(', ')}), and the database does not go back: older code will meet newer data.`,
    'Add the layer database, or make sure that the older code copes with it.',
    evidence,
  );
}

function appFindings(situation: RollbackSituation): Finding[] {
  const { facts, layers, otherTrack, held, app } = situation;
  const found: Finding[] = [];
  const asked = layers.includes('app');
  if (facts.deployment === null) found.push(noDeployment(situation));
  if (held) {
    found.push(
      finding(
        'error',
        'phase-under-way',
        'Old and new pods of phase 1 stand side by side.',
        'Let that operation end, or undo it, first.',
      ),
    );
  }
  if (facts.point?.app != null && app === null) {
    found.push(
      finding(
        asked ? 'error' : 'warning',
        'app-objects-gone',
        `The Secret ${facts.point.app.objectsSecret} with the objects of the point is gone.`,
        asked
          ? 'Leave the layer app out, and set the image by hand; /presslift/point/objects.json of the point in the repository has the Deployment.'
          : null,
      ),
    );
  }
  if (otherTrack) {
    found.push(
      finding(
        asked ? 'error' : 'info',
        'other-phase',
        `The point was taken in another phase of the roadmap: its pods do not carry the label ${TRACK_LABEL} that the live ones have, or the other way round.`,
        asked ? 'Undo the phase, or leave the layer app out.' : 'The layer app is left out.',
      ),
    );
  }
  if (situation.otherDatabase) {
    const then = app === null ? [] : databaseHosts(app.template);
    const { host, port } = situation.site.database;
    const now =
      facts.deployment === null
        ? `the site file names ${host}:${port}`
        : `the live ones use ${facts.inUse.hosts.join(', ')}`;
    found.push(
      finding(
        asked ? 'error' : 'warning',
        'app-of-other-database',
        `The pods of the point used the database ${then.join(', ')}, ${now}: the pod template of the point would move the site there.`,
        asked
          ? 'Leave the layer app out, and set its images by hand: `kubectl set image`; the evidence has them.'
          : 'The layer app is left out.',
        { images: facts.point?.app?.images ?? null },
      ),
    );
  }
  if (facts.stuck !== null) {
    found.push(
      finding(
        asked || layers.length === 0 ? 'info' : 'warning',
        'rollout-stuck',
        `New pods do not become ready: ${facts.stuck}`,
        asked ? null : 'Add the layer app: without it no pod can be replaced.',
      ),
    );
  }
  if (asked) {
    for (const name of facts.app.missingSecrets) {
      found.push(
        finding(
          'error',
          'secret-gone',
          `The pods of the point need the Secret ${name}, which is not there. Recovery points hold no Secrets.`,
          'Create it again, then plan anew.',
        ),
      );
    }
  }
  const then = facts.point?.wordpress?.databaseVersion;
  const now = facts.options?.['db_version'];
  if (asked && !layers.includes('database') && then !== undefined && Number(now) > then) {
    found.push(
      finding(
        'warning',
        'core-older-than-data',
        `The database has version ${Number(now)} of WordPress's structure; the older core knows ${then}.`,
        'WordPress does not go back by itself: add the layer database, or keep the newer core.',
      ),
    );
  }
  return found;
}

/** It is made again with the layer app; other layers are on volumes that only it names, or in its pods. */
function noDeployment({ site, layers, request, app }: RollbackSituation): Finding {
  const { namespace, deployment } = site.cluster;
  const gone = `There is no Deployment ${namespace}/${deployment}`;
  const needsPods =
    layers.length === 0 ||
    layers.includes('plugins-themes') ||
    request.databaseTime !== undefined ||
    request.maintenance === true;
  if (layers.includes('app') && app !== null && !needsPods) {
    return finding(
      'info',
      'no-deployment',
      `${gone}: it is made again as the point has it.`,
      'Plugins and themes were not compared. Plan another rollback once its pods run.',
    );
  }
  return finding(
    needsPods || layers.includes('app') ? 'error' : 'warning',
    'no-deployment',
    `${gone}, and without it no page is served.`,
    app === null
      ? 'Apply it again from where its manifest is kept.'
      : 'Go back with --layers app alone first, which makes it again; then plan the rest.',
  );
}

function cdnFindings(situation: RollbackSituation): Finding[] {
  const { facts, layers } = situation;
  if (facts.point?.cdn == null) return [];
  const asked = layers.includes('cdn');
  // Not looked at, because other layers were named.
  if (!asked && facts.cdnError === null) return [];
  if (facts.cdn === null) {
    return [
      finding(
        asked ? 'error' : 'warning',
        'cdn-not-read',
        `The rules at the edge could not be read: ${facts.cdnError ?? 'the site file names no cdn'}`,
        asked ? 'Mend this first, or leave the layer cdn out.' : null,
      ),
    ];
  }
  if (asked && facts.cdn.zoneId !== facts.point.cdn.zoneId) {
    return [
      finding(
        'error',
        'other-zone',
        `The point has the rules of zone ${facts.point.cdn.zoneId}, the site file names ${facts.cdn.zoneId}.`,
        'Leave the layer cdn out.',
      ),
    ];
  }
  return asked ? cdnRulesFindings(situation) : [];
}

function siteFindings({ facts }: RollbackSituation): Finding[] {
  if (facts.frontPage.good) return [];
  return [
    finding(
      'info',
      'site-broken-now',
      `The site does not answer as it should: ${facts.frontPage.seen}`,
      'Requests that fail before the rollback is done are counted, and not held against it.',
      { wordpress: facts.wordpressError },
    ),
  ];
}

function expectedTime({ facts, layers }: RollbackSituation): Finding | null {
  if (layers.length === 0) return null;
  const { drill } = facts;
  if (drill === null) {
    return finding(
      'warning',
      'expected-time',
      'No drill has passed yet, so nobody has measured how long a restore takes.',
      'Run `presslift drill` regularly.',
      null,
    );
  }
  const stages = drill.stages.filter(({ countsForRto }) => countsForRto);
  return finding(
    'info',
    'expected-time',
    `The last drill that passed (${drill.endedAt}) restored everything in ${seconds(drill.rtoMs)}: ${stages
      .map(({ title, ms }) => `${title} ${seconds(ms)}`)
      .join(', ')}.`,
    null,
    {
      drill: drill.drill,
      at: drill.endedAt,
      point: drill.point,
      rtoMs: drill.rtoMs,
      stages: Object.fromEntries(stages.map(({ id, ms }) => [id, ms])),
    },
  );
}

function nothingComesBackOf(situation: RollbackSituation): Finding | null {
  const sentences = notComingBack(situation);
  if (situation.layers.length === 0 || sentences.length === 0) return null;
  return finding(
    'info',
    'not-coming-back',
    'Some things do not come back by this.',
    'See the list; each says where it stays.',
    sentences,
  );
}
