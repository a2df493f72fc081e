/** Workflows on the time-skipping server, with fakes behind the activities; see test/workflows. */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Client as GrpcClient, credentials } from '@grpc/grpc-js';
import { Client, Connection, TestService, WorkflowUpdateFailedError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { expect } from 'vitest';
import type { WorkerOptions } from '@temporalio/worker';
import type { LockHolder, OperationStatus } from '../../src/domain/operation.ts';
import { TASK_QUEUE, workflowIds } from '../../src/domain/identifiers.ts';
import { queries, signals, updates } from '../../src/domain/messages.ts';
import { searchAttributeNames } from '../../src/domain/search-attributes.ts';
import type { Site } from '../../src/domain/site/schema.ts';
import type * as workflows from '../../src/workflows/index.ts';
import { FakeSite, activityNames, fakeSite } from './fake-site.ts';
import type { ActivityName, FakeApprovals } from './fake-site.ts';
import { startTestServer } from './temporal-server.ts';
import type { FoundServer } from './temporal-server.ts';

const KEYWORD = 2;

export interface RunningWorker {
  /** Lets what runs end, or be cancelled after a short grace, and waits. */
  stop(): Promise<void>;
}

/** Worker options that a test may want otherwise. */
export type WorkerTweaks = Pick<WorkerOptions, 'maxCachedWorkflows' | 'workerDeploymentOptions'>;

/** One server, one client and any number of fake sites, each under a name of its own. */
export class Harness {
  readonly client: Client;
  readonly #connection: Connection;
  readonly #native: NativeConnection;
  readonly #grpc: GrpcClient;
  readonly #testService: TestService;
  readonly #bundle: string;
  readonly #sites = new Map<string, FakeSite>();
  readonly #stopServer: () => Promise<void>;
  readonly #workerOptions: WorkerTweaks;
  #worker: RunningWorker | null = null;

  private constructor(parts: {
    address: string;
    connection: Connection;
    native: NativeConnection;
    bundle: string;
    stopServer: () => Promise<void>;
    workerOptions: WorkerTweaks;
  }) {
    this.#workerOptions = parts.workerOptions;
    this.#connection = parts.connection;
    this.#native = parts.native;
    this.#bundle = parts.bundle;
    this.#stopServer = parts.stopServer;
    this.client = new Client({ connection: parts.connection, identity: 'test' });
    this.#grpc = new GrpcClient(parts.address, credentials.createInsecure());
    this.#testService = TestService.create((method, request, callback) => {
      this.#grpc.makeUnaryRequest(
        `/temporal.api.testservice.v1.TestService/${method.name}`,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes) => bytes,
        request,
        (error, response) => callback(error, response ?? null),
      );
    });
  }

  /** Starts the server, registers the search attributes and runs one worker. */
  static async start(
    found: FoundServer | null,
    bundleFile: string,
    workerOptions: WorkerTweaks = {},
  ): Promise<Harness> {
    if (found === null) throw new Error('There is no time-skipping server for this test.');
    quietRuntime();
    const server = await startTestServer(found);
    const { address } = server;
    const connection = await Connection.connect({ address });
    await connection.operatorService.addSearchAttributes({
      namespace: 'default',
      searchAttributes: Object.fromEntries(searchAttributeNames.map((name) => [name, KEYWORD])),
    });
    const native = await NativeConnection.connect({ address });
    const bundle = await readFile(bundleFile, 'utf8');
    const stopServer = () => server.stop();
    const harness = new Harness({ address, connection, native, bundle, stopServer, workerOptions });
    harness.#worker = await harness.work();
    return harness;
  }

  /** Ends everything; the server also when something before it does not end as it should. */
  async stop(): Promise<void> {
    try {
      await this.#worker?.stop();
      this.#grpc.close();
      await this.#connection.close();
      await this.#native.close();
    } finally {
      await this.#stopServer();
    }
  }

  /** Starts another worker beside the first one. */
  async work(): Promise<RunningWorker> {
    const worker = await Worker.create({
      connection: this.#native,
      taskQueue: TASK_QUEUE,
      workflowBundle: { code: this.#bundle },
      activities: Object.fromEntries(
        activityNames.map((name) => [
          name,
          async (input: unknown) => this.#siteOf(input).run(name, input),
        ]),
      ),
      identity: 'worker',
      maxHeartbeatThrottleInterval: 20,
      defaultHeartbeatThrottleInterval: 20,
      shutdownGraceTime: 100,
      ...this.#workerOptions,
    });
    const running = worker.run();
    return {
      stop: async () => {
        if (worker.getState() === 'RUNNING') worker.shutdown();
        await running;
      },
    };
  }

  /** Stops the worker that `start` began; a test starts another one with `work`. */
  async stopFirstWorker(): Promise<void> {
    await this.#worker?.stop();
    this.#worker = null;
  }

  /** The same worker again. */
  async restartWorker(): Promise<void> {
    this.#worker = await this.work();
  }

  /** Routes new work to a worker version, as soon as the server has seen it. */
  async makeCurrent({ deploymentName, buildId }: WorkerDeploymentVersion): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#connection.workflowService.setWorkerDeploymentCurrentVersion({
          namespace: 'default',
          deploymentName,
          buildId,
          identity: 'test',
        });
        return;
      } catch (error) {
        if (attempt === 100) throw error;
        await delay(50);
      }
    }
  }

  /** A site of its own for one test, with the real lock behind its lock activities. */
  site(name: string, approvals?: FakeApprovals): FakeSite {
    const fake = new FakeSite(fakeSite(name, approvals));
    fake.when('requestLock', async ({ site, holder }) => this.#requestLock(site, holder));
    fake.when('isHolderAlive', async ({ holder }) => this.#isOpen(holder));
    this.#sites.set(name, fake);
    return fake;
  }

  /** Starts an operation under its own id. */
  async start(
    type: Exclude<keyof typeof workflows, 'siteLock'>,
    input: unknown,
    options: { workflowTaskTimeout?: number; workflowId?: string } = {},
  ): Promise<Run> {
    const { site } = (input ?? {}) as { site?: string };
    const id = idOf(type, String(site));
    return new Run(
      this,
      await this.client.workflow.start(type, {
        workflowId: id,
        taskQueue: TASK_QUEUE,
        args: [input],
        ...options,
      }),
    );
  }

  run(workflowId: string): Run {
    return new Run(this, this.client.workflow.getHandle(workflowId));
  }

  lock(site: string): WorkflowHandle {
    return this.client.workflow.getHandle(workflowIds.siteLock(site));
  }

  /** Lets the server's clock jump from timer to timer until `promise` settles. */
  async skipping<T>(promise: Promise<T>): Promise<T> {
    // It may settle before the server has answered; whoever awaits this method still gets the error.
    promise.catch(() => {});
    await this.#testService.unlockTimeSkipping({});
    try {
      return await promise;
    } finally {
      await this.#testService.lockTimeSkipping({});
    }
  }

  /** Moves the server's clock on. */
  async pass(ms: number): Promise<void> {
    const duration = { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
    await this.#testService.unlockTimeSkippingWithSleep({ duration: duration as never });
  }

  #siteOf(input: unknown): FakeSite {
    const { site, name, holder } = input as {
      site?: Site | string;
      name?: string;
      holder?: LockHolder;
    };
    const known =
      typeof site === 'object'
        ? site.name
        : (site ?? name ?? holder?.workflowId.split('/')[0] ?? 'none');
    const fake = this.#sites.get(known);
    if (fake !== undefined) return fake;
    throw ApplicationFailure.create({
      type: 'NotFound',
      message: `sites/${known}.yaml is missing.`,
    });
  }

  async #requestLock(site: string, holder: LockHolder): Promise<void> {
    await this.client.workflow.signalWithStart('siteLock', {
      workflowId: workflowIds.siteLock(site),
      taskQueue: TASK_QUEUE,
      args: [{ site }],
      signal: signals.requestLock,
      signalArgs: [holder],
    });
  }

  async #isOpen({ workflowId, runId }: LockHolder): Promise<boolean> {
    const handle = this.client.workflow.getHandle(workflowId, runId);
    return (await handle.describe()).status.name === 'RUNNING';
  }
}

/** A workflow id of the kind that people and Schedules give. */
function idOf(type: Exclude<keyof typeof workflows, 'siteLock'>, site: string): string {
  switch (type) {
    case 'roadmap':
      return workflowIds.roadmap(site);
    case 'backup':
      return workflowIds.backup(site, 'x');
    case 'restoreDrill':
      return workflowIds.drill(site, 'x');
    case 'rollback':
      return workflowIds.rollback(site, 'x');
    case 'recoveryPoints':
      return workflowIds.recoveryPoints(site, 'x');
    case 'backupWatch':
      return workflowIds.backupWatch(site);
    default:
      return workflowIds.operation(site, type);
  }
}

/** One workflow run as a test talks to it. */
export class Run {
  readonly #harness: Harness;
  readonly handle: WorkflowHandle;

  constructor(harness: Harness, handle: WorkflowHandle) {
    this.#harness = harness;
    this.handle = handle;
  }

  async status<Status extends OperationStatus = OperationStatus>(): Promise<Status> {
    return this.handle.query<Status>(queries.status);
  }

  /** Waits, in real time, until the status is as wanted. */
  async until<Status extends OperationStatus = OperationStatus>(
    wanted: (status: Status) => boolean,
    what: string,
  ): Promise<Status> {
    const deadline = Date.now() + 45_000;
    for (;;) {
      const status = await this.status<Status>();
      if (wanted(status)) return status;
      if (Date.now() > deadline) {
        throw new Error(`never ${what}: ${JSON.stringify(status, null, 1)}`);
      }
      await delay(15);
    }
  }

  /** Waits until this activity alone is under way: the server cannot cancel another that it is just starting or ending. */
  async untilOnlyRunning(name: ActivityName): Promise<void> {
    const underWay = async () =>
      ((await this.handle.describe()).raw.pendingActivities ?? []).map(
        ({ activityType }) => activityType?.name,
      );
    await expect.poll(underWay).toEqual([name]);
  }

  async untilState(state: OperationStatus['state']): Promise<OperationStatus> {
    return this.until((status) => status.state === state, state);
  }

  /** Waits for the open gate and returns its digest. */
  async untilGate(id = 'apply'): Promise<string> {
    const open = ({ gates }: OperationStatus) =>
      gates.find((gate) => gate.id === id && gate.state === 'open');
    const status = await this.until((candidate) => open(candidate) !== undefined, `gate ${id}`);
    return open(status)?.digest ?? '';
  }

  /** Waits for the gate and approves what it asks about. */
  async approve(approver = 'alice', gate = 'apply'): Promise<void> {
    const digest = await this.untilGate(gate);
    await this.decide({ gate, digest, approver, decision: 'approve' });
  }

  /** Approves it and lets it hold before its first look, so that it has the site's lock and keeps it. */
  async holdLock(): Promise<void> {
    await this.untilGate();
    await this.signal('pause', { by: 'olga' });
    await this.approve();
    await this.untilState('paused');
  }

  async decide(input: unknown): Promise<unknown> {
    return this.handle.executeUpdate<unknown, [unknown]>(updates.decide, { args: [input] });
  }

  async operator(input: unknown): Promise<unknown> {
    return this.handle.executeUpdate<unknown, [unknown]>(updates.operator, { args: [input] });
  }

  async signal(name: keyof typeof signals, ...args: unknown[]): Promise<void> {
    await this.handle.signal<unknown[]>(name, ...args);
  }

  /** The result, with the clock jumping over every wait. */
  async result<Report>(): Promise<Report> {
    return this.#harness.skipping(this.handle.result() as Promise<Report>);
  }
}

/**
 * Ends a workflow by hand once nothing of it is under way: the time-skipping server would wait for ever for what a
 * terminated workflow had under way, and skip no more time.
 */
export async function terminate(handle: WorkflowHandle): Promise<void> {
  while (await hasSomethingUnderWay(handle)) await delay(15);
  await handle.terminate('by hand');
}

/** By the history: the server's description never shows a pending workflow task. */
async function hasSomethingUnderWay(handle: WorkflowHandle): Promise<boolean> {
  const { raw } = await handle.describe();
  const { events } = await handle.fetchHistory();
  const lastTask = (events ?? []).findLast(
    (event) =>
      event.workflowTaskScheduledEventAttributes ??
      event.workflowTaskStartedEventAttributes ??
      event.workflowTaskCompletedEventAttributes,
  );
  const taskIsDone = Boolean(lastTask?.workflowTaskCompletedEventAttributes);
  return !taskIsDone || (raw.pendingActivities ?? []).length > 0;
}

/** Why an update was refused. */
export async function refusalOf(update: Promise<unknown>): Promise<string> {
  try {
    await update;
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) return error.cause?.message ?? '';
    throw error;
  }
  throw new Error('the update was accepted');
}

let quiet = false;

/** The SDK's own log only shows what is wrong; one runtime a process. */
export function quietRuntime(): void {
  if (quiet) return;
  quiet = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: 'OFF', forward: {} } },
  });
}
