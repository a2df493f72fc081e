// Proves the parts of verification that need no site: criteria without data fail, the probe plugin's zip is a real one.
import { unzipSync, strFromU8 } from 'fflate';
import { describe, expect, it } from 'vitest';
import { failure } from '../../../src/activities/failure.ts';
import { measureVisitors } from '../../../src/activities/hybrid-storage/verify/admin-and-visitors.ts';
import { allSame, criterion } from '../../../src/activities/hybrid-storage/verify/criteria.ts';
import {
  probePlugin,
  probePluginZip,
} from '../../../src/activities/hybrid-storage/verify/probe-plugin.ts';
import { saltsFingerprint } from '../../../src/activities/hybrid-storage/salts.ts';
import { agentAnswer, agentCode } from '../../../src/activities/wordpress/agent.ts';
import { exitCodeOf } from '../../../src/activities/kubernetes/exec.ts';
import { saltKeys } from '../../../src/domain/planners/hybrid-storage-changes.ts';
import { acme } from '../../support/hybrid-fixtures.ts';

const report = { requests: 10, failed: 0, p95Ms: 80, from: 'a', to: 'b', failures: [] };

describe('a criterion', () => {
  it('that cannot be measured for good fails with its reason', async () => {
    const result = await criterion('x', 'X', 0, async () => {
      throw failure('SiteBroken', 'the editor page has no form');
    });
    expect(result).toMatchObject({ measured: null, pass: false, evidence: { type: 'SiteBroken' } });
  });

  it('that cannot be measured now is tried again', async () => {
    await expect(
      criterion('x', 'X', 0, async () => {
        throw failure('Unavailable', 'no answer');
      }),
    ).rejects.toMatchObject({ type: 'Unavailable' });
  });

  it('is no place for bugs to hide', async () => {
    await expect(
      criterion('x', 'X', 0, async () => {
        throw new TypeError('bug');
      }),
    ).rejects.toThrow('bug');
  });

  it('about pods needs pods', () => {
    expect(allSame({})).toBe(false);
    expect(allSame({ a: ['x'], b: ['x'] })).toBe(true);
    expect(allSame({ a: ['x'], b: ['y'] })).toBe(false);
  });
});

describe('the criterion about visitors', () => {
  it.each([
    ['passes when everybody was answered', report, true],
    ['fails when one was not', { ...report, failed: 1 }, false],
    ['fails when nobody asked', { ...report, requests: 0 }, false],
  ])('%s', (_name, visitors, pass) => {
    expect(measureVisitors(visitors).pass).toBe(pass);
  });
});

describe('the probe plugin', () => {
  it('is a zip with one plugin file of the given version, the same bytes every time', () => {
    const { zip, fileName } = probePluginZip('1.1.0');
    expect(fileName).toBe('presslift-probe-1.1.0.zip');
    const files = unzipSync(zip);
    expect(Object.keys(files)).toEqual([probePlugin.file]);
    expect(strFromU8(files[probePlugin.file] ?? new Uint8Array())).toContain('Version: 1.1.0');
    expect(probePluginZip('1.1.0').zip.equals(zip)).toBe(true);
  });
});

describe('the agent', () => {
  it('gets its request inside its code, and nothing in an argument', () => {
    const code = agentCode(acme(), 'option-set', { name: 'x', value: "it's $here" });
    const encoded = /base64_decode\('([^']+)'\)/.exec(code)?.[1] ?? '';
    expect(JSON.parse(Buffer.from(encoded, 'base64').toString('utf8'))).toMatchObject({
      operation: 'option-set',
      user: 33,
      arguments: { value: "it's $here" },
    });
    expect(code).not.toContain('<?php');
  });

  it('is understood by its last line, whatever WordPress printed before', () => {
    expect(agentAnswer('Warning: x\n{"ok":true,"result":[1]}\n', 'pod')).toEqual([1]);
    expect(() => agentAnswer('{"ok":false,"error":"no database"}', 'pod')).toThrow('no database');
    expect(() => agentAnswer('Fatal error', 'pod')).toThrow('no JSON');
  });

  it('fingerprints salts as the worker does: eight values or none', () => {
    const values = Object.fromEntries(saltKeys.map((key) => [key, key]));
    expect(saltsFingerprint(values)).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(saltsFingerprint({ ...values, WORDPRESS_AUTH_KEY: '' })).toBeNull();
  });
});

describe('the exit code of exec', () => {
  it.each([
    [{ status: 'Success' }, 0],
    [{ status: 'Failure', details: { causes: [{ reason: 'ExitCode', message: '3' }] } }, 3],
  ])('%j is %i', (status, code) => {
    expect(exitCodeOf(status)).toBe(code);
  });

  it('is missing when the command could not start', () => {
    expect(() => exitCodeOf({ status: 'Failure', message: 'no such file' })).toThrow(
      'no such file',
    );
  });
});
