import type { Component } from './component.ts';
import type { EngineHost } from './host.ts';
import { daemonsOf, standing } from './host.ts';

/** A process of a component. */
export interface DaemonStatus {
  name: string;
  running: boolean;
  pid: number;
  /** ISO 8601. */
  since: string;
  log: string;
}

export interface ComponentStatus {
  name: string;
  title: string;
  /**
   * `ready`: stands; `starting`: runs but is not ready, or waits for what it needs; `dead`: a process of it has ended by
   * itself; `stopped`; `replaced`: the user gave an endpoint that takes its place.
   */
  state: 'ready' | 'starting' | 'dead' | 'stopped' | 'replaced';
  /** Why it is replaced. */
  reason?: string;
  /** Of its first process, as far as it has one. */
  pid?: number;
  since?: string;
  log?: string;
  daemons: DaemonStatus[];
}

/** Where every component stands. Components must come in dependency order. */
export async function statusOf(
  host: EngineHost,
  components: readonly Component[],
  replaced: ReadonlyMap<string, string>,
): Promise<ComponentStatus[]> {
  const present = components.filter(({ name }) => !replaced.has(name));
  const up = await standing(present, host);
  return Promise.all(
    components.map(async ({ name, title }): Promise<ComponentStatus> => {
      const reason = replaced.get(name);
      if (reason !== undefined) return { name, title, state: 'replaced', reason, daemons: [] };
      const daemons = (await daemonsOf(name, host.daemons)).map(
        ({ name: daemon, running, pid, since, log }) => ({
          name: daemon,
          running,
          pid,
          since,
          log,
        }),
      );
      const [first] = daemons;
      return { name, title, state: stateOf(up.has(name), daemons), ...pick(first), daemons };
    }),
  );
}

function stateOf(isUp: boolean, daemons: readonly DaemonStatus[]): ComponentStatus['state'] {
  if (isUp) return 'ready';
  if (daemons.length === 0) return 'stopped';
  return daemons.every(({ running }) => running) ? 'starting' : 'dead';
}

function pick(daemon: DaemonStatus | undefined): Partial<DaemonStatus> {
  return daemon ? { pid: daemon.pid, since: daemon.since, log: daemon.log } : {};
}

/** The status as a table for a terminal. */
export function formatStatus(components: readonly ComponentStatus[]): string {
  const rows = components.flatMap(({ name, state, reason, daemons }) => {
    if (daemons.length === 0) return [[name, state, '', '', reason ?? '']];
    return daemons.map(({ name: daemon, running, pid, since, log }, index) => [
      index === 0 ? name : `  ${daemon}`,
      index === 0 ? state : running ? '' : 'dead',
      String(pid),
      since.replace(/\.\d+Z$/, 'Z'),
      log,
    ]);
  });
  const table = [['COMPONENT', 'STATE', 'PID', 'SINCE', 'LOG'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
