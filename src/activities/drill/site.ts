import { createHash } from 'node:crypto';
import type { CriterionResult } from '../../domain/criterion.ts';
import { drillCriterion, noneMeasured } from '../../domain/recovery/drill-criteria.ts';
import {
  drillPageRequests,
  mediaCriterion,
  pageCriteria,
  sealedPages,
  type MediaFound,
  type PageAnswer,
} from '../../domain/recovery/drill-pages.ts';
import {
  pageCriteriaIds,
  sentinelCriterion,
  wordpressCriteria,
  wordpressCriteriaIds,
  type FoundSentinel,
} from '../../domain/recovery/drill-wordpress.ts';
import type { DrillStage, RecoveryPoint, WordPressPart } from '../../domain/recovery/point.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { DrillActivities, DrillInput } from '../contracts.ts';
import { failure, failureTypeOf } from '../failure.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { onePhpPod } from '../kubernetes/php-pods.ts';
import { runToolboxJob } from '../recovery/toolbox.ts';
import { askCopy, copyPod } from './agent.ts';
import { drillAccount } from './database.ts';
import { clusterOf, pointOf, scripts, timed, type DrillDeps } from './deps.ts';
import { findingsOf } from './failures.ts';
import { lastLine, pointObjects } from './objects.ts';

const login = 'presslift-drill';

/** What the agent's `drill-look` tells. */
interface CopyLook {
  sentinel: FoundSentinel;
  media: MediaFound;
  seal: { mail: string; cron: string; requests: string; objectCache: string };
}

/** What scripts/pages.sh prints. */
interface PagesAsked {
  /** Whether PHP showed the seal; there are no answers otherwise. */
  sealed: boolean;
  answers: PageAnswer[];
}

/** The activity `checkDrillSite`. */
export function createCheckDrillSite(deps: DrillDeps): Pick<DrillActivities, 'checkDrillSite'> {
  return {
    async checkDrillSite(input) {
      const { site, place } = input;
      const stages: DrillStage[] = [];
      const criteria: CriterionResult[] = [];
      const done = (usable: boolean) => ({ criteria, stages, usable });
      let point: RecoveryPoint;
      try {
        point = await pointOf(deps, input);
      } catch (error) {
        criteria.push(...findingsOf(error, { byDefault: 'catalogue', criteria: everything }));
        return done(false);
      }
      const { wordpress } = point;
      if (wordpress === null) {
        criteria.push(...noneMeasured(everything, 'the point does not describe WordPress'));
        return done(false);
      }
      const k = clusterOf(deps, site);
      let looked: CopyLook;
      let password: string;
      try {
        password = await loginPassword(k, input);
        looked = await timed(deps, stages, 'wordpress', async () => {
          const sentinel = input.sentinel ?? point.sentinel;
          const found = (await askCopy(
            k,
            site,
            place,
            'describe-site',
          )) as unknown as WordPressPart;
          const look = (await askCopy(k, site, place, 'drill-look', {
            database: place.database,
            mediaSample: site.drill.mediaSample,
            sentinelFile: sentinel?.file ?? '',
            user: { login, password },
          })) as unknown as CopyLook;
          criteria.push(
            sentinelCriterion(sentinel, look.sentinel, deps.now().toISOString()),
            ...wordpressCriteria(wordpress, found, {
              asOf: deps.now().toISOString(),
              liveNewestPostAt: await liveNewestPost(deps, site),
            }),
          );
          return look;
        });
      } catch (error) {
        criteria.push(...findingsOf(error, { byDefault: 'boot', criteria: everything }));
        return done(false);
      }
      try {
        const { sealed, answers } = await timed(deps, stages, 'pages', () =>
          askForPages(deps, input, point, wordpress, looked.media, password),
        );
        if (!sealed) {
          const why = 'PHP of the copy does not show the seal, so no page was asked for';
          criteria.push(
            ...noneMeasured(pageCriteriaIds, why),
            sealCriterion(looked, answers, place.database),
          );
          return done(false);
        }
        criteria.push(
          ...pageCriteria(wordpress, answers),
          mediaCriterion(looked.media, answers, site.drill.mediaSample),
          sealCriterion(looked, answers, place.database),
        );
        return done(true);
      } catch (error) {
        const stage = {
          byDefault: 'front-page',
          criteria: [...pageCriteriaIds, 'sealed'],
        } as const;
        criteria.push(...findingsOf(error, stage));
        return done(false);
      }
    },
  };
}

/** When the live site's newest post was published; null when it does not answer: a drill may well be one after a loss. */
async function liveNewestPost(deps: DrillDeps, site: Site): Promise<string | null> {
  try {
    const pod = await onePhpPod(clusterOf(deps, site), site);
    const live = (await deps.agent.run(site, pod, 'describe-site')) as unknown as WordPressPart;
    return live.newestPostAt;
  } catch (error) {
    if (failureTypeOf(error) === null) throw error;
    return null;
  }
}

const everything = [...wordpressCriteriaIds, ...pageCriteriaIds, 'sealed'] as const;

function sealCriterion({ seal }: CopyLook, answers: PageAnswer[], name: string): CriterionResult {
  const pages = sealedPages(answers, name);
  const target = { mail: 'kept', cron: 'off', requests: 'refused', objectCache: 'own' };
  return drillCriterion('sealed', {
    pass:
      (Object.keys(target) as (keyof typeof target)[]).every((key) => seal[key] === target[key]) &&
      pages.asked > 0 &&
      pages.sealed === pages.asked,
    measured: { ...seal, pages: `${pages.sealed} of ${pages.asked}` },
    target: { ...target, pages: 'all' },
  });
}

/** The same for every attempt: a Job of an earlier one may still be logging in. */
async function loginPassword(k: KubernetesClients, { place }: DrillInput): Promise<string> {
  const { password } = await drillAccount(k, place);
  return createHash('sha256').update(`login ${password.reveal()}`).digest('base64url');
}

async function askForPages(
  deps: DrillDeps,
  input: DrillInput,
  point: RecoveryPoint,
  wordpress: WordPressPart,
  media: MediaFound,
  password: string,
): Promise<PagesAsked> {
  const { site, place, operationId } = input;
  const k = clusterOf(deps, site);
  const pod = await copyPod(k, place);
  const ip = pod.status?.podIP;
  if (ip === undefined)
    throw failure('Unavailable', `The copy in ${place.namespace} has no address`);
  const port = await portOf(deps, input, point);
  const outcome = await runToolboxJob(k, site, {
    namespace: place.namespace,
    name: 'drill-pages',
    operationId,
    script: scripts.pages,
    env: {
      ADDRESS: `${ip.includes(':') ? `[${ip}]` : ip}:${port}`,
      SITE_HOST: place.host,
      LOGIN: login,
      SEAL: place.database,
    },
    secretFiles: { password },
    inputFiles: { 'pages.json': JSON.stringify(drillPageRequests(wordpress, media.sample)) },
    timeoutMs: 1_800_000,
  });
  return lastLine<PagesAsked>(outcome.log, 'asking for pages');
}

/** The port that visitors come to in the pod: the target of the Service. */
async function portOf(deps: DrillDeps, input: DrillInput, point: RecoveryPoint): Promise<number> {
  const { service, deployment } = await pointObjects(deps, input, point);
  const containers = deployment?.spec?.template.spec?.containers ?? [];
  const ports = containers.flatMap((container) => container.ports ?? []);
  const port = service?.spec?.ports?.[0];
  const target = port?.targetPort ?? port?.port;
  if (typeof target === 'number') return target;
  const named = ports.find(({ name }) => name === target)?.containerPort ?? ports[0]?.containerPort;
  if (named === undefined) {
    throw failure(
      'NotFound',
      `Recovery point ${point.id} does not tell on which port WordPress answers`,
    );
  }
  return named;
}
