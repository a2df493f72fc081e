import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import type { FailureType } from '../../domain/failures.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import type { Site } from '../../domain/site/schema.ts';
import type { PluginFact, TreeDigest } from '../../domain/wordpress.ts';
import { cancellationSignal } from '../activity-context.ts';
import type { KubernetesClients } from '../kubernetes/clients.ts';
import { failure } from '../failure.ts';

/** Operations of agent.php itself. */
export type BasicOperation =
  | 'facts'
  | 'salts'
  | 'tree-digest'
  | 'tree-manifest'
  | 'write-probe'
  | 'inspect'
  | 'validate-cookies'
  | 'option-get'
  | 'option-set';

/**
 * Operations of the files in operations/, by file. `describe-site` is the function `presslift_operation_describe_site` there; it
 * gets the arguments, finds WordPress loaded without plugins and theme, and returns its result. A function `presslift_early_…`
 * runs without WordPress, which may not start at all.
 */
const extensions = {
  backup: ['sentinel-write', 'describe-site', 'hold-updates', 'release-updates'],
  drill: ['drill-replace', 'drill-look'],
  rollback: [
    'extension-listing',
    'maintenance',
    'options-read',
    'options-write',
    'flush-cache',
    'database-identity',
    'media-sample',
  ],
} as const satisfies Record<string, readonly string[]>;

type Extension = keyof typeof extensions;

export type AgentOperation = BasicOperation | ExtensionOperation;

type ExtensionOperation = (typeof extensions)[Extension][number];

/** What the operation `facts` tells about WordPress as one pod sees it, its plugins and theme not loaded. */
export interface WordPressFacts {
  version: string;
  databaseVersion: { code: number; site: number };
  php: string;
  siteUrl: string;
  tablePrefix: string;
  multisite: boolean;
  plugins: PluginFact[];
  themes: { slug: string; version: string; active: boolean }[];
  /** The option `active_plugins` as the database has it. */
  activePlugins: string[];
  constants: Record<string, Json>;
  /** Constants of wp-config.php by name, each with a hash keyed by the request's nonce. */
  configHashes: Record<string, string>;
  fileEditing: boolean;
  coreUpdates: { minor: boolean; major: boolean };
  filesystemMethod: string;
  saltsFingerprint: string | null;
  saltsFromEnvironment: boolean;
  fpmPort: number | null;
  hostname: string;
}

export interface WordPressAgent {
  /**
   * One operation in one pod, as www-data; with `keepUser` as whoever commands in the container run as.
   * @throws AgentFailed with the agent's own sentence; Unavailable when the pod cannot be reached.
   */
  run(
    site: Site,
    pod: string,
    operation: AgentOperation,
    args?: JsonObject,
    options?: AgentLimits & { keepUser?: boolean },
  ): Promise<Json>;
  facts(
    site: Site,
    pod: string,
    args?: { nonce: string; constants: string[] },
  ): Promise<WordPressFacts>;
  /** Digests of folders below the document root, by folder. */
  treeDigests(
    site: Site,
    pod: string,
    folders: string[],
    limits?: AgentLimits,
  ): Promise<Record<string, TreeDigest>>;
}

/** For operations that look at many files. */
export interface AgentLimits {
  /** Default: two minutes. */
  timeoutMs?: number;
  /** Failure type at the time-out; default AgentFailed, which is not tried again. */
  onTimeout?: FailureType;
  /** Default: that of `execInPod`. */
  maxOutputBytes?: number;
}

/** Read once with the module: a fixed part of the program, not a resource that changes. */
const source = readSource('agent.php');

const extensionSources = Object.fromEntries(
  Object.keys(extensions).map((name) => [name, readSource(`operations/${name}.php`)]),
) as Record<Extension, string>;

function readSource(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8').replace(/^<\?php/, '');
}

/** The text of the file that holds an operation; nothing for those of agent.php. */
function extensionOf(operation: AgentOperation): string {
  const found = (Object.keys(extensions) as Extension[]).find((name) =>
    (extensions[name] as readonly string[]).includes(operation),
  );
  return found === undefined ? '' : extensionSources[found];
}

/** PHP code for `eval` that does one operation; the request is inside it. */
export function agentCode(
  site: Site,
  operation: AgentOperation,
  args: JsonObject = {},
  options: { root?: string; keepUser?: boolean } = {},
): string {
  const request = {
    operation,
    root: options.root ?? site.wordpress.documentRoot,
    user: site.wordpress.user,
    url: `https://${site.hosts.names[0]}/`,
    arguments: args,
    keepUser: options.keepUser ?? false,
  };
  const encoded = Buffer.from(JSON.stringify(request)).toString('base64');
  return `$presslift_request = json_decode(base64_decode('${encoded}'), true);\n${source}\n${extensionOf(operation)}`;
}

/** The agent's answer from what it printed: its last line that is JSON. */
export function agentAnswer(stdout: string, where: string): Json {
  const line = stdout.trim().split('\n').at(-1) ?? '';
  let answer: { ok?: boolean; result?: Json; error?: string };
  try {
    answer = JSON.parse(line) as typeof answer;
  } catch {
    throw failure('AgentFailed', `The WordPress agent in ${where} printed no JSON`);
  }
  if (answer.ok !== true) {
    throw failure('AgentFailed', `The WordPress agent in ${where}: ${answer.error ?? 'no reason'}`);
  }
  return answer.result ?? null;
}

/** A key for the hashes of `configHashes`, used for one comparison and then forgotten. */
export function newNonce(): string {
  return randomBytes(24).toString('base64url');
}

export function createWordPressAgent(kubernetes: KubernetesClients): WordPressAgent {
  const agent: WordPressAgent = {
    async run(site, pod, operation, args = {}, options = {}) {
      const { namespace, container, context } = site.cluster;
      const code = agentCode(site, operation, args, options);
      const length = Buffer.byteLength(code);
      const where = `${namespace}/${pod}`;
      const { stdout, stderr, exitCode } = await kubernetes.forContext(context).execInPod({
        namespace,
        pod,
        container,
        // PHP reads a counted number of bytes: not every exec connection can end its standard input.
        command: [
          'php',
          '-d',
          'opcache.enable_cli=0',
          '-r',
          `eval(stream_get_contents(STDIN, ${length}));`,
        ],
        stdin: code,
        timeoutMs: options.timeoutMs ?? 120_000,
        onTimeout: options.onTimeout,
        maxOutputBytes: options.maxOutputBytes,
        signal: cancellationSignal(),
      });
      if (stdout.trim() === '') {
        const reason = stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
        throw failure(
          'AgentFailed',
          `The WordPress agent in ${where}: status ${exitCode} ${reason}`,
        );
      }
      return agentAnswer(stdout, where);
    },
    async facts(site, pod, args) {
      return (await agent.run(site, pod, 'facts', args)) as unknown as WordPressFacts;
    },
    async treeDigests(site, pod, folders, limits) {
      return (await agent.run(site, pod, 'tree-digest', { folders }, limits)) as unknown as Record<
        string,
        TreeDigest
      >;
    },
  };
  return agent;
}
