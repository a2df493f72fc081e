import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GoProgramProgress } from '../../../deploy/sandbox/build/go-programs.ts';
import { buildGoPrograms } from '../../../deploy/sandbox/build/go-programs.ts';
import {
  catalogue,
  goProgram,
  goProgramNames,
} from '../../../deploy/sandbox/programs/catalogue.ts';
import { GoBuildError } from '../../../deploy/sandbox/programs/go-command.ts';

const sources = join(import.meta.dirname, '../../../deploy/sandbox/programs');

/** A stand-in for the go command: answers as go does, and does what files in its folder tell it. */
const goScript = `#!/bin/sh
dir=$(dirname "$0")
echo "$*" >> "$dir/calls"
case "$1" in
env) cat "$dir/version" ;;
mod) printf '{"Dir": "%s"}' "$dir/module" ;;
build)
  [ -d "$GOCACHE" ] && echo yes > "$dir/cache-was-there"
  mkdir -p "$GOCACHE"
  while [ "$1" != "-o" ]; do shift; done
  if [ -f "$dir/slow" ]; then touch "$dir/compiling"; sleep 60; fi
  if [ -f "$dir/broken" ]; then echo "main.go:1: syntax error" >&2; exit 1; fi
  echo binary > "$2" ;;
esac
`;

let scratch: string;
let cacheDir: string;
let goCommand: string;

function tell(file: string, content = ''): void {
  writeFileSync(join(scratch, file), content);
}

function calls(kind: string): string[] {
  const lines = readFileSync(join(scratch, 'calls'), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith(`${kind} `));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

beforeEach(() => {
  vi.stubEnv('GOMODCACHE', '');
  scratch = mkdtempSync(join(tmpdir(), 'go-programs-'));
  cacheDir = join(scratch, 'cache');
  goCommand = join(scratch, 'go');
  writeFileSync(goCommand, goScript);
  chmodSync(goCommand, 0o755);
  tell('version', 'go1.26.0\nlinux\namd64\n');
  const proto = join(scratch, 'module/pkg/apis/pluginregistration/v1');
  mkdirSync(proto, { recursive: true });
  writeFileSync(join(proto, 'api.proto'), 'registration');
  tell('module/csi.proto', 'csi');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true, force: true });
});

describe('the catalogue', () => {
  it.each(goProgramNames)('has pinned sources for %s', (name) => {
    expect(existsSync(join(sources, name, 'go.mod'))).toBe(true);
    expect(existsSync(join(sources, name, 'go.sum'))).toBe(true);
    const ownMain = Object.values(goProgram(name).binaries).includes('.');
    expect(existsSync(join(sources, name, 'main.go'))).toBe(ownMain);
  });

  it.each(goProgramNames)('says the version of %s that go.mod pins', (name) => {
    const goMod = readFileSync(join(sources, name, 'go.mod'), 'utf8');
    expect(goMod).toContain(` ${catalogue[name].version}`);
  });

  it('begins with the longest build', () => {
    const seconds = goProgramNames.map((name) => catalogue[name].cpuSeconds);
    expect(seconds).toEqual([...seconds].sort((a, b) => b - a));
  });
});

describe('buildGoPrograms', () => {
  it('builds, links and copies files into one folder a program', async () => {
    const folders = await buildGoPrograms({
      names: ['kubernetes', 'csi-protos'],
      cacheDir,
      goCommand,
    });
    expect(readFileSync(join(folders.kubernetes, 'kubeall'), 'utf8')).toBe('binary\n');
    expect(readlinkSync(join(folders.kubernetes, 'kubelet'))).toBe('kubeall');
    expect(readFileSync(join(folders['csi-protos'], 'csi.proto'), 'utf8')).toBe('csi');
    expect(readdirSync(folders['csi-protos'])).toEqual(['csi.proto', 'pluginregistration.proto']);
    expect(calls('build')[0]).toContain('gitVersion=v1.35.4');
  });

  it('reports every change of state', async () => {
    const seen: Omit<GoProgramProgress, 'elapsedMs'>[] = [];
    const onProgress = ({ elapsedMs: _, ...progress }: GoProgramProgress): void => {
      seen.push(progress);
    };
    await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand, onProgress });
    await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand, onProgress });
    expect(seen).toEqual([
      { name: 'etcd', state: 'building', done: 0, total: 1 },
      { name: 'etcd', state: 'built', done: 1, total: 1 },
      { name: 'etcd', state: 'cached', done: 1, total: 1 },
    ]);
    expect(calls('build')).toHaveLength(1);
  });

  it('builds again with another version of Go, and keeps both', async () => {
    const first = await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand });
    tell('version', 'go1.27.0\nlinux\namd64\n');
    const second = await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand });
    expect(second.etcd).not.toBe(first.etcd);
    expect(existsSync(join(first.etcd, 'etcd'))).toBe(true);
  });

  it('builds again what somebody has removed by hand', async () => {
    const { etcd } = await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand });
    rmSync(join(etcd, 'etcd'));
    await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand });
    expect(existsSync(join(etcd, 'etcd'))).toBe(true);
  });

  it('leaves only programs and logs behind', async () => {
    const { etcd } = await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand });
    expect(readdirSync(cacheDir).sort()).toEqual(['logs', 'programs']);
    expect(readdirSync(join(etcd, '..'))).toHaveLength(1);
  });

  it('keeps a module cache that the user has named', async () => {
    const modules = join(scratch, 'modules');
    mkdirSync(modules);
    vi.stubEnv('GOMODCACHE', modules);
    await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand });
    expect(existsSync(modules)).toBe(true);
  });

  it('names the log and its last lines when a build fails, and goes on from there', async () => {
    tell('broken');
    const states: string[] = [];
    const failed = buildGoPrograms({
      names: ['etcd'],
      cacheDir,
      goCommand,
      onProgress: ({ state }) => states.push(state),
    });
    await expect(failed).rejects.toThrow(GoBuildError);
    await expect(failed).rejects.toThrow(/Building etcd failed: exit code 1.*go-etcd\.log/);
    await expect(failed).rejects.toThrow('main.go:1: syntax error');
    expect(states).toEqual(['building', 'failed']);

    rmSync(join(scratch, 'broken'));
    const { etcd } = await buildGoPrograms({ names: ['etcd'], cacheDir, goCommand });
    expect(readdirSync(etcd)).toEqual(['etcd']);
    expect(existsSync(join(scratch, 'cache-was-there'))).toBe(true);
  });

  it('says so when files of a module are not where they were', async () => {
    mkdirSync(join(scratch, 'module/config/crd'), { recursive: true });
    tell('module/config/crd/snapshot.storage.k8s.io_volumesnapshots.yaml');
    const failed = buildGoPrograms({ names: ['snapshot'], cacheDir, goCommand });
    await expect(failed).rejects.toThrow('has 1 files in config/crd, not 6');
  });

  it('says so when there is no Go', async () => {
    const failed = buildGoPrograms({ names: ['etcd'], cacheDir, goCommand: join(scratch, 'none') });
    await expect(failed).rejects.toThrow('install Go 1.26 or newer');
  });

  it('ends the compilers when called off, and leaves no half program', async () => {
    tell('slow');
    const controller = new AbortController();
    const called = buildGoPrograms({
      names: ['etcd', 'coredns'],
      cacheDir,
      goCommand,
      signal: controller.signal,
    });
    await until(() => existsSync(join(scratch, 'compiling')));
    const begun = Date.now();
    controller.abort(new Error('enough'));
    await expect(called).rejects.toThrow('enough');
    expect(Date.now() - begun).toBeLessThan(5_000);
    const left = readdirSync(join(cacheDir, 'programs'), { recursive: true });
    expect(left.filter((file) => String(file).includes('/'))).toEqual([]);
    expect(process.listenerCount('SIGHUP')).toBe(0);
  });

  it('lets one process build at a time', async () => {
    const twice = await Promise.all([
      buildGoPrograms({ names: ['etcd'], cacheDir, goCommand }),
      buildGoPrograms({ names: ['etcd'], cacheDir, goCommand }),
    ]);
    expect(twice[0]).toEqual(twice[1]);
    expect(calls('build')).toHaveLength(1);
  });
});
