/** Proves what a person reads of plans and statuses. Colours and the terminal itself are not tested here. */
import { describe, expect, test } from 'vitest';
import type { Json } from '../../../src/domain/json.ts';
import { renderDiff, renderFinding, renderPlan } from '../../../src/client/render/plan.ts';
import { linesBetween } from '../../../src/client/render/progress.ts';
import { short } from '../../../src/client/render/short.ts';
import { renderCriteria, renderStatus } from '../../../src/client/render/status.ts';
import { elapsed } from '../../../src/client/render/time.ts';
import { createScreen } from '../../../src/client/screen.ts';
import { plainPaint, printable } from '../../../src/client/terminal.ts';
import { change, digest, fakeTerminal, gate, status, step } from './support.ts';

const now = new Date('2026-03-01T12:01:00.000Z');

describe('a plan', () => {
  const plan = (changes = [change()]) => ({
    digest,
    plan: {
      schema: 1 as const,
      site: 'acme',
      operation: 'hybridStorage',
      siteDigest: 'sha256:0',
      changes,
      observations: [],
      findings: [],
    },
  });

  test('shows title, target, risk with its reason, undo, and what differs', () => {
    expect(renderPlan(plan(), plainPaint)).toBe(
      [
        'hybridStorage of acme: 1 change',
        `digest ${digest}`,
        '',
        '1. Run two replicas',
        '   change Deployment acme/wordpress',
        '   risk high: Visitors reach both.',
        '   undo: Scale back to one.',
        '   @@ -1,2 +1,2 @@',
        '    spec:',
        '   -  replicas: 1',
        '   +  replicas: 2',
      ].join('\n'),
    );
  });

  test('says what is created, what is deleted and what cannot be undone', () => {
    const text = renderPlan(
      plan([
        change({ before: null, after: { a: 1 } }),
        change({ before: { a: 1 }, after: null, undo: { possible: false, why: 'It is gone.' } }),
      ]),
      plainPaint,
    );
    expect(text).toContain('2 changes');
    expect(text).toContain('create Deployment acme/wordpress');
    expect(text).toContain('   @@ -0,0 +1,1 @@\n   +a: 1');
    expect(text).toContain('delete Deployment acme/wordpress');
    expect(text).toContain('cannot be undone: It is gone.');
  });

  test('without changes says so', () => {
    expect(renderPlan(plan([]), plainPaint)).toContain('hybridStorage of acme: no changes');
  });

  test('shows the sentences of a finding, and not its numbers', () => {
    const finding = {
      id: 'not-coming-back',
      level: 'info' as const,
      message: 'Some things do not come back.',
      advice: 'See the list.',
      evidence: ['Mail that was sent.', 'Payments made.', 'ANSI_QUOTES'],
    };
    const lines = (evidence: Json) =>
      renderFinding({ ...finding, evidence }, plainPaint).split('\n');
    expect(lines(finding.evidence)).toEqual([
      'info: Some things do not come back.',
      '  - Mail that was sent.',
      '  - Payments made.',
      '  See the list.',
    ]);
    expect(lines({ counted: 12, findings: ['lost file'] })).toContain('  - lost file');
    expect(lines({ counted: 12 })).toHaveLength(2);
    expect(lines(Array<Json>(30).fill('x y')).at(-2)).toBe('  - and 10 more');
  });

  test('does not let names from outside control the terminal', () => {
    const text = renderPlan(
      plan([change({ title: 'evil\u001b[2J\u202e', after: { a: '\u001b[31mred' } })]),
      plainPaint,
    );
    expect(text).not.toMatch(/[\u001b\u202e]/);
  });
});

test('a diff ignores the order of keys', () => {
  expect(renderDiff({ a: 1, b: 2 }, { b: 2, a: 1 }, plainPaint)).toBe('(no difference)');
});

test('a diff keeps three lines around a difference', () => {
  const list = Array.from({ length: 20 }, (_, index) => `line${index}`);
  const text = renderDiff(list, list.with(10, 'other'), plainPaint);
  expect(text.split('\n')).toEqual([
    '@@ -8,7 +8,7 @@',
    ...[7, 8, 9].map((index) => ` - line${index}`),
    '-- line10',
    '+- other',
    ...[11, 12, 13].map((index) => ` - line${index}`),
  ]);
});

describe('a status', () => {
  test('lists steps with elapsed time, results and errors', () => {
    const text = renderStatus(
      status({
        steps: [
          step('a', 'done', { result: { files: 3 } }),
          step('long-name', 'running'),
          step('c', 'failed', { error: 'It broke.' }),
          step('d', 'pending'),
        ],
      }),
      now,
      plainPaint,
    );
    expect(text.split('\n').slice(3)).toEqual([
      '✓ Do a               4.2 s  {"files":3}',
      '▶ Do long-name   1 min 0 s',
      '✗ Do c               4.2 s  It broke.',
      '· Do d',
    ]);
  });

  test('of an open gate says who is asked, until when, and the commands', () => {
    const text = renderStatus(
      status({ state: 'waiting-for-approval', gates: [gate()] }),
      now,
      plainPaint,
    );
    expect(text).toContain('0 of 2 approvals; asked: alice, bob; until 2026-03-04 12:00:05Z');
    expect(text).toContain('two persons: not by dana');
    expect(text).toContain('presslift approve acme/hybridStorage --gate apply --as <you>');
    expect(text).not.toContain('carol');
  });

  test('names deputies once the gate is escalated', () => {
    const text = renderStatus(status({ gates: [gate({ escalated: true })] }), now, plainPaint);
    expect(text).toContain('asked: alice, bob, carol');
  });

  test('shows refused decisions and what was not followed', () => {
    const refused = {
      gate: 'apply',
      digest,
      approver: 'mallory',
      decision: 'approve' as const,
      at: '2026-03-01T12:00:06.000Z',
      via: 'signal' as const,
      refusal: 'mallory is not among the approvers',
    };
    const text = renderStatus(
      status({
        gates: [gate({ refused: [refused] })],
        ignored: [{ name: 'skip', by: 'eve', at: refused.at, why: 'no operator is asked' }],
      }),
      now,
      plainPaint,
    );
    expect(text).toContain('not counted: approve by mallory: mallory is not among the approvers');
    expect(text).toContain('not followed: skip by eve: no operator is asked');
  });

  test('of a stopped operation says which ways out there are and whether they are safe', () => {
    const text = renderStatus(
      status({
        state: 'needs-operator',
        operatorQuestion: {
          step: 'scale-out',
          error: 'Pods do not start.',
          failureType: 'RolloutStuck',
          since: '2026-03-01T12:00:10.000Z',
          options: [
            { action: 'retry', possible: true, safe: true, why: 'Idempotent.' },
            { action: 'skip', possible: true, safe: false, why: 'Half done.' },
            { action: 'compensate', possible: false, safe: false, why: 'Too late.' },
          ],
        },
      }),
      now,
      plainPaint,
    );
    expect(text).toContain('RolloutStuck: Pods do not start.');
    expect(text).toContain('presslift retry acme/hybridStorage --as <you>   safe: Idempotent.');
    expect(text).toContain('not safe: Half done.');
    expect(text).toContain('not possible: Too late.');
  });
});

test('a criterion without data says so, a failed one what was wanted', () => {
  const criterion = { id: 'a', title: 'Replicas', target: 2, evidence: null };
  expect(renderCriteria([{ ...criterion, measured: null, pass: false }], plainPaint)).toBe(
    '✗ Replicas: no data, wanted 2',
  );
  expect(renderCriteria([{ ...criterion, measured: 2, pass: true }], plainPaint)).toBe(
    '✓ Replicas: 2',
  );
});

describe('lines between two looks', () => {
  const before = status({ steps: [step('a', 'running'), step('b', 'pending')] });

  test('are none when nothing happened', () => {
    expect(linesBetween(before, structuredClone(before))).toEqual([]);
  });

  test('tell steps, gates, decisions and states once', () => {
    const asked = status({
      state: 'waiting-for-approval',
      steps: [step('a', 'done'), step('b', 'running')],
      gates: [gate()],
    });
    expect(linesBetween(before, asked)).toEqual([
      'acme/hybridStorage  done: Do a (4.2 s)',
      'acme/hybridStorage  running: Do b',
      'acme/hybridStorage  gate apply asks: Apply 2 changes? (2 of alice, bob, until 2026-03-04 12:00:05Z)',
    ]);
    const decision = {
      id: '1',
      gate: 'apply',
      digest,
      decision: 'approve' as const,
      approver: 'alice',
      reason: null,
      at: '2026-03-01T12:00:20.000Z',
      via: 'update' as const,
    };
    const once = { ...asked, gates: [gate({ decisions: [decision] })] };
    expect(linesBetween(asked, once)).toEqual([
      'acme/hybridStorage  approve by alice at gate apply',
    ]);
    const done = { ...once, state: 'done' as const, gates: [gate({ state: 'approved' })] };
    expect(linesBetween(once, done)).toEqual([
      'acme/hybridStorage  gate apply is approved',
      'acme/hybridStorage  state: done',
    ]);
  });

  test('tell a step that runs again', () => {
    const again = status({
      steps: [
        step('a', 'running', { startedAt: '2026-03-01T12:10:00.000Z' }),
        step('b', 'pending'),
      ],
    });
    expect(linesBetween(before, again)).toEqual(['acme/hybridStorage  running: Do a']);
  });
});

test.each([
  [-5, '0.0 s'],
  [400, '0.4 s'],
  [12_300, '12 s'],
  [185_000, '3 min 5 s'],
  [7_440_000, '2 h 4 min'],
  [442_800_000, '5 d 3 h'],
])('%d ms are %s', (ms, text) => {
  expect(elapsed(ms)).toBe(text);
});

test('long values are cut and stay on one line', () => {
  expect(short('a\n  b')).toBe('a b');
  expect(short('x'.repeat(200))).toHaveLength(100);
});

test('line breaks and tabs stay, other control characters do not', () => {
  expect(printable('a\tb\nc\u0007\u009b')).toBe('a\tb\nc��');
});

test('a screen that is too small keeps the first line and the end', () => {
  const terminal = fakeTerminal();
  const screen = createScreen(terminal);
  screen.draw(Array.from({ length: 50 }, (_, index) => `line ${index}`).join('\n'));
  screen.close();
  const drawn = terminal.output.join('');
  expect(drawn).toContain('line 0');
  expect(drawn).toContain('… 32 lines are not shown');
  expect(drawn).toContain('line 49');
  expect(drawn).not.toContain('line 32\u001b');
  expect(drawn).toContain('line 33');
  expect(drawn.endsWith('\u001b[?1049l')).toBe(true);
});
