import { Client, type ClientInterceptors } from '@temporalio/client';
import type { MetricMeter } from '@temporalio/common';
import type { NativeConnection } from '@temporalio/worker';
import type { AllActivities, SiteInput } from '../activities/contracts.ts';
import { createBackupActivities } from '../activities/backup/index.ts';
import { createRulesComparison } from '../activities/cdn/compare.ts';
import { createCdnActivities } from '../activities/cdn/index.ts';
import { createKeptRules } from '../activities/cdn/kept-rules.ts';
import { createRulesReader } from '../activities/cdn/zone.ts';
import { createDrillActivities } from '../activities/drill/index.ts';
import { createIsRunning } from '../activities/drill/running.ts';
import {
  createDriftDetection,
  createHybridObservers,
  createHybridPlanning,
  createHybridStorageActivities,
  createHybridVerification,
} from '../activities/hybrid-storage/index.ts';
import { createKubernetesClients } from '../activities/kubernetes/clients.ts';
import { createLockActivities } from '../activities/lock/index.ts';
import { createManagedDatabaseActivities } from '../activities/managed-database/index.ts';
import { createNotificationActivities } from '../activities/notifications/index.ts';
import {
  createPrerequisiteActivities,
  createPrerequisiteObservers,
} from '../activities/prerequisites/index.ts';
import { createCatalogueActivities } from '../activities/recovery/catalogue-activities.ts';
import { createRecoveryActivities } from '../activities/recovery/index.ts';
import {
  createRollbackActivities,
  perExecution,
  createRollbackObservers,
  createRollbackPlanning,
  createRollbackVerification,
} from '../activities/rollback/index.ts';
import { createSecretResolver } from '../activities/secrets/index.ts';
import { createVaultClient } from '../activities/secrets/vault.ts';
import { createSiteActivities } from '../activities/sites/index.ts';
import { createVisitorActivities } from '../activities/visitors/index.ts';
import { createWordPressAgent } from '../activities/wordpress/agent.ts';
import type { Site } from '../domain/site/schema.ts';
import { createAdminSessions } from './admin-sessions.ts';
import type { ProcessConfig } from './environment.ts';
import type { Logger } from './logging.ts';

export interface ActivityParts {
  config: ProcessConfig;
  /** The worker's own connection; activities that talk to workflows use it too. */
  connection: NativeConnection;
  namespace: string;
  logger: Logger;
  /** Secret references `env:NAME` are read from here. */
  env: NodeJS.ProcessEnv;
  interceptors: ClientInterceptors;
  /** The process's own metrics. */
  meter: MetricMeter;
}

/** Builds the clients of the outside systems once and hands them to every group of activities. */
export function createActivities(parts: ActivityParts): AllActivities {
  const { config, connection, namespace, logger, env, interceptors, meter } = parts;
  const kubernetes = createKubernetesClients();
  const cluster = kubernetes.config.getCurrentCluster()?.server;
  // What the client library assumes where it finds no kubeconfig and no service account.
  if (cluster === 'http://localhost:8080') {
    logger.warn('no kubeconfig was found: set KUBECONFIG, or run in a pod with a service account');
  } else {
    logger.info({ cluster }, 'kubernetes cluster');
  }
  const temporal = new Client({ connection, namespace, interceptors });
  const secrets = createSecretResolver({
    kubernetes,
    vault: config.vault === null ? undefined : createVaultClient(config.vault),
    env,
  });
  const prerequisites = {
    kubernetes,
    secrets,
    digitaloceanEndpoint: config.digitaloceanApi ?? undefined,
  };
  const hybridStorage = { kubernetes, agent: createWordPressAgent(kubernetes) };
  const sessions = createAdminSessions(secrets, logger);
  const core = { kubernetes, secrets, agent: hybridStorage.agent, now: () => new Date() };
  const cdnDeps = { secrets, kept: createKeptRules(core) };
  const cdn = createCdnActivities(cdnDeps);
  const rollback = {
    ...core,
    describeCdn: (input: SiteInput) => cdn.describeCdn(input),
    compareCdnRules: createRulesComparison(cdnDeps),
    openAdmin: (site: Site) => sessions.openAdmin(site),
  };
  return {
    ...createSiteActivities({ sitesDir: config.sitesDir }),
    ...createPrerequisiteActivities(prerequisites),
    ...createHybridPlanning(hybridStorage),
    ...createHybridStorageActivities(hybridStorage),
    ...createHybridVerification({ ...hybridStorage, ...sessions }),
    ...createDriftDetection({
      ...createHybridObservers(hybridStorage),
      ...createPrerequisiteObservers(prerequisites),
      ...createRollbackObservers(rollback),
    }),
    ...createRecoveryActivities({
      ...hybridStorage,
      openSession: (site) => sessions.loginCookies(site),
      readCdnRules: createRulesReader(cdnDeps),
      now: () => new Date(),
    }),
    ...cdn,
    ...createDrillActivities({
      kubernetes,
      secrets,
      agent: hybridStorage.agent,
      isRunning: createIsRunning(temporal),
      now: () => new Date(),
    }),
    ...perExecution(createManagedDatabaseActivities(prerequisites)),
    ...createRollbackPlanning(rollback),
    ...createRollbackActivities(rollback),
    ...createRollbackVerification(rollback),
    ...createBackupActivities({
      kubernetes,
      secrets,
      agent: hybridStorage.agent,
      now: () => new Date(),
      digitaloceanEndpoint: prerequisites.digitaloceanEndpoint,
      meter,
    }),
    ...createCatalogueActivities({
      kubernetes,
      secrets,
      agent: hybridStorage.agent,
      now: () => new Date(),
    }),
    ...createVisitorActivities(),
    ...createNotificationActivities({ secrets, logger }),
    ...createLockActivities({ client: temporal }),
  };
}
