/**
 * Temporal's time-skipping test server for workflow tests: 37 days of timers pass in a tenth of a second. First hit
 * wins: the address in PRESSLIFT_TEST_SERVER_ADDRESS, the executable in PRESSLIFT_TEST_SERVER, the project's cache, the
 * official download, the official Maven artifact (with mvn and a JDK of 17 or newer).
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TestWorkflowEnvironment } from '@temporalio/testing';

const MAVEN_VERSION = '1.38.0';
const OLDEST_JDK = 17;

const cacheFolder = join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
  'presslift',
  'temporal-test-server',
);

/** A server that runs already, or a program that starts one when it is given a port. */
export type FoundServer = { kind: 'address'; address: string } | { kind: 'program'; path: string };

export interface RunningServer {
  /** `host:port` */
  address: string;
  stop(): Promise<void>;
}

/**
 * Finds the server, installing it into the cache when there is none yet.
 *
 * @throws Error that says what was tried and what to install.
 */
export async function findTestServer(say: (line: string) => void = () => {}): Promise<FoundServer> {
  const address = process.env.PRESSLIFT_TEST_SERVER_ADDRESS;
  if (address !== undefined) return { kind: 'address', address };
  const given = process.env.PRESSLIFT_TEST_SERVER;
  if (given !== undefined) {
    if (!(await exists(given))) throw new Error(`PRESSLIFT_TEST_SERVER: there is no ${given}`);
    return { kind: 'program', path: given };
  }
  const cached = (await exists(mavenProgram)) ? mavenProgram : await downloaded();
  if (cached !== null) return { kind: 'program', path: cached };

  const tried: string[] = [];
  for (const [name, install] of [
    ['the official download', download],
    [`Maven's io.temporal:temporal-test-server:${MAVEN_VERSION}`, installFromMaven],
  ] as const) {
    say(`Temporal's test server: trying ${name}`);
    try {
      return { kind: 'program', path: await install() };
    } catch (error) {
      tried.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    `Temporal's test server could not be installed.\n${tried.join('\n')}\n` +
      'Install Maven and a JDK (apt-get install maven), or set PRESSLIFT_TEST_SERVER to its executable.',
  );
}

/** Starts the program on a free port and waits until it answers. */
export async function startTestServer(found: FoundServer): Promise<RunningServer> {
  if (found.kind === 'address') return { address: found.address, stop: async () => {} };
  const port = await freePort();
  const child = spawn(found.path, [String(port)], { stdio: ['ignore', 'ignore', 'pipe'] });
  // A test process that breaks off must not leave its server behind.
  process.once('exit', () => child.kill('SIGKILL'));
  await answering(child, port);
  return { address: `127.0.0.1:${port}`, stop: () => stop(child) };
}

const mavenFolder = join(cacheFolder, `maven-${MAVEN_VERSION}`);
const mavenProgram = join(mavenFolder, 'temporal-test-server');

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The program that the SDK has downloaded before. */
async function downloaded(): Promise<string | null> {
  const names = await readdir(cacheFolder).catch(() => []);
  const name = names.find((entry) =>
    /^temporal-test-server-sdk-typescript-[\d.]+(\.exe)?$/.test(entry),
  );
  return name === undefined ? null : join(cacheFolder, name);
}

async function download(): Promise<string> {
  await mkdir(cacheFolder, { recursive: true });
  const executable = { type: 'cached-download', downloadDir: cacheFolder } as const;
  const environment = await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
  await environment.teardown();
  const path = await downloaded();
  if (path === null) throw new Error(`the SDK left no program in ${cacheFolder}`);
  return path;
}

async function installFromMaven(): Promise<string> {
  await requireJdk();
  await mkdir(cacheFolder, { recursive: true });
  const work = await mkdtemp(join(cacheFolder, 'installing-'));
  try {
    await writeFile(join(work, 'pom.xml'), pom);
    const lib = join(work, 'lib');
    await run('mvn', [
      '--batch-mode',
      '--quiet',
      '--file',
      join(work, 'pom.xml'),
      'dependency:copy-dependencies',
      `-DoutputDirectory=${lib}`,
    ]);
    await rm(mavenFolder, { recursive: true, force: true });
    await mkdir(mavenFolder);
    await rename(lib, join(mavenFolder, 'lib'));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const jars = (await readdir(join(mavenFolder, 'lib'))).sort();
  const classPath = jars.map((jar) => join(mavenFolder, 'lib', jar)).join(':');
  await archiveClasses(classPath);
  // Written last: a folder without it was not finished.
  const draft = `${mavenProgram}.draft`;
  await writeFile(draft, wrapper(classPath));
  await chmod(draft, 0o755);
  await rename(draft, mavenProgram);
  return mavenProgram;
}

const mainClass = 'io.temporal.testserver.TestServer';
const archive = join(mavenFolder, 'classes.jsa');
/** Short-lived servers start faster without the optimizing compiler and with the simplest collector. */
const javaOptions = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xlog:disable'];

function wrapper(classPath: string): string {
  const options = [...javaOptions, `-XX:SharedArchiveFile=${archive}`, '-cp', classPath];
  return `#!/bin/sh\nexec java ${options.map((option) => `'${option}'`).join(' ')} ${mainClass} "$@"\n`;
}

/** Loads the server once and keeps its classes in an archive: it starts in 0.5 s instead of 1.7 s then. */
async function archiveClasses(classPath: string): Promise<void> {
  const port = await freePort();
  const child = spawn(
    'java',
    [
      ...javaOptions,
      `-XX:ArchiveClassesAtExit=${archive}`,
      '-cp',
      classPath,
      mainClass,
      String(port),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  await answering(child, port);
  await stop(child);
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>presslift</groupId>
  <artifactId>temporal-test-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${MAVEN_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;

async function requireJdk(): Promise<void> {
  const { stderr } = await run('java', ['-version']);
  const version = Number(/version "(\d+)/.exec(stderr)?.[1] ?? '0');
  if (version < OLDEST_JDK) {
    throw new Error(`java is version ${version}; the server needs ${OLDEST_JDK} or newer`);
  }
}

async function run(program: string, args: string[]): Promise<{ stdout: string; stderr: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => (output.stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output.stderr += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) {
    throw new Error(`${program} ended with ${code}: ${(output.stderr || output.stdout).trim()}`);
  }
  return output;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answering(child: ChildProcess, port: number): Promise<void> {
  let errors = '';
  child.stderr?.on('data', (data: Buffer) => (errors += data.toString()));
  const failed = once(child, 'error').then(([error]) => {
    throw error as Error;
  });
  const deadline = Date.now() + 60_000;
  const answers = async () => {
    while (Date.now() < deadline) {
      if (child.exitCode !== null) {
        throw new Error(`the test server ended with ${child.exitCode}: ${errors.trim()}`);
      }
      if (await accepts(port)) return;
      await delay(50);
    }
    child.kill('SIGKILL');
    throw new Error(`the test server did not answer within a minute: ${errors.trim()}`);
  };
  await Promise.race([answers(), failed]);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
}
