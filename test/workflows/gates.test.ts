/** Gates: who may decide what, by which door, and what happens when nobody does. */
import { describe, expect, it } from 'vitest';
import type { GateStatus } from '../../src/domain/gate.ts';
import type { OperationReport } from '../../src/domain/operation.ts';
import { refusalOf } from '../support/temporal-harness.ts';
import type { Run } from '../support/temporal-harness.ts';
import { useHarness } from '../support/use-harness.ts';

const harness = useHarness();

const policy = { quorum: 1, twoPerson: false, deadline: 'P3D', remindEvery: 'P1D' };

async function gateOf(run: Run): Promise<GateStatus> {
  const { gates } = await run.status();
  return gates[0] as GateStatus;
}

describe('a gate', () => {
  it('keeps who approved which digest, when and by which door, under the id of the update', async () => {
    harness().site('kept');
    const run = await harness().start('hybridStorage', { site: 'kept' });
    const digest = await run.untilGate();
    await run.handle.executeUpdate('decide', {
      updateId: 'decision-1',
      args: [{ gate: 'apply', digest, approver: 'alice', decision: 'approve', reason: 'read it' }],
    });
    await run.result();
    const gate = await gateOf(run);
    expect(gate).toMatchObject({ state: 'approved', digest });
    expect(gate.decisions).toMatchObject([
      { id: 'decision-1', approver: 'alice', digest, reason: 'read it', via: 'update' },
    ]);
    expect(Date.parse(gate.decisions[0]?.at ?? '')).toBeGreaterThan(0);
  });

  it('ends the operation with nothing changed when somebody rejects, whatever the quorum', async () => {
    const site = harness().site('rejected', { gates: { apply: { ...policy, quorum: 2 } } });
    const run = await harness().start('hybridStorage', { site: 'rejected' });
    const digest = await run.untilGate();
    await run.decide({ gate: 'apply', digest, approver: 'bob', decision: 'reject', reason: 'no' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'rejected' });
    expect(site.walk).toEqual(['planHybridStorage']);
    expect(await gateOf(run)).toMatchObject({ state: 'rejected', decisions: [{ reason: 'no' }] });
    expect((await run.status()).state).toBe('rejected');
  });

  it('reminds, asks the deputies for as long again, reminds again and then expires', async () => {
    const site = harness().site('expired');
    const run = await harness().start('hybridStorage', { site: 'expired' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'expired' });
    const gate = await gateOf(run);
    expect(gate).toMatchObject({ state: 'expired', escalated: true, decisions: [] });
    const open = Date.parse(gate.closedAt ?? '') - Date.parse(gate.openedAt);
    const days = open / 86_400_000;
    expect(days).toBeGreaterThanOrEqual(6);
    expect(days).toBeLessThan(6.01);
    expect(site.notifications.map(({ kind }) => kind)).toEqual([
      'gate-opened',
      'gate-reminder',
      'gate-reminder',
      'gate-escalated',
      'gate-reminder',
      'gate-reminder',
      'gate-closed',
      'finished',
    ]);
    expect(site.walk).toEqual(['planHybridStorage']);
  });

  it('lets a deputy decide after the deadline and not before', async () => {
    harness().site('deputy');
    const run = await harness().start('hybridStorage', { site: 'deputy' });
    const digest = await run.untilGate();
    const word = { gate: 'apply', digest, approver: 'carol', decision: 'approve' };
    expect(await refusalOf(run.decide(word))).toContain('carol is a deputy');
    await harness().pass(3 * 86_400_000 + 1_000);
    await run.until(({ gates }) => gates[0]?.escalated === true, 'escalated');
    await run.decide(word);
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('waits for as many different people as the quorum says', async () => {
    const site = harness().site('quorum', { gates: { apply: { ...policy, quorum: 2 } } });
    const run = await harness().start('hybridStorage', { site: 'quorum' });
    await run.approve('alice');
    const digest = await run.untilGate();
    const again = { gate: 'apply', digest, approver: 'alice', decision: 'approve' };
    expect(await refusalOf(run.decide(again))).toContain('alice has decided already');
    expect(site.walk).toEqual(['planHybridStorage']);
    await run.approve('bob');
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('refuses another digest, people not listed, gates not there and words it does not know', async () => {
    harness().site('strict');
    const run = await harness().start('hybridStorage', { site: 'strict' });
    const digest = await run.untilGate();
    const word = { gate: 'apply', digest, approver: 'alice', decision: 'approve' };
    const refusals = [
      [{ ...word, digest: 'sha256:other' }, `asks about ${digest}, not about sha256:other`],
      [{ ...word, approver: 'mallory' }, 'mallory is not among the approvers'],
      [{ ...word, gate: 'launch' }, 'there is no gate launch'],
      [{ ...word, decision: 'maybe' }, 'neither approve nor reject'],
      [{ ...word, approver: undefined }, 'does not say approver'],
      ['yes', 'does not say gate, digest, approver'],
      [null, 'does not say gate, digest, approver'],
    ] as const;
    for (const [input, why] of refusals) expect(await refusalOf(run.decide(input))).toContain(why);
    expect(await gateOf(run)).toMatchObject({ state: 'open', decisions: [] });
    await run.approve();
    await run.result();
  });

  it('refuses a decision on a gate that is closed', async () => {
    const site = harness().site('closed');
    const release = site.hold('measureBaseline');
    const run = await harness().start('hybridStorage', { site: 'closed' });
    const digest = await run.untilGate();
    await run.approve('alice');
    const word = { gate: 'apply', digest, approver: 'bob', decision: 'reject' };
    expect(await refusalOf(run.decide(word))).toContain('the gate apply is approved, not open');
    release();
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
  });

  it('does not let the requester approve where two persons are needed, but lets him reject', async () => {
    harness().site('pair', { gates: { apply: { ...policy, twoPerson: true } } });
    const run = await harness().start('hybridStorage', { site: 'pair', requestedBy: 'alice' });
    const digest = await run.untilGate();
    const word = { gate: 'apply', digest, approver: 'alice' };
    const approval = run.decide({ ...word, decision: 'approve' });
    expect(await refusalOf(approval)).toContain('needs a second person');
    await run.decide({ ...word, decision: 'reject' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'rejected' });
  });

  it('is refused at the start when two persons are needed and nobody says who asks', async () => {
    const site = harness().site('anonymous', { gates: { apply: { ...policy, twoPerson: true } } });
    const run = await harness().start('hybridStorage', { site: 'anonymous' });
    await expect(run.result()).rejects.toMatchObject({
      cause: {
        type: 'InvalidInput',
        message: expect.stringContaining('must say who asks: "requestedBy"') as string,
      },
    });
    expect(site.calls).toEqual(['loadSite']);
  });

  it('is refused at the start when it could never reach its quorum', async () => {
    const apply = { ...policy, twoPerson: true, quorum: 3 };
    harness().site('lonely', { gates: { apply } });
    const run = await harness().start('hybridStorage', { site: 'lonely', requestedBy: 'alice' });
    await expect(run.result()).rejects.toMatchObject({
      cause: {
        type: 'InvalidSite',
        message: expect.stringContaining('only 2 people may approve') as string,
      },
    });
  });
});

describe('the signals approve and reject', () => {
  it('count like the update', async () => {
    harness().site('signalled');
    const run = await harness().start('hybridStorage', { site: 'signalled' });
    const digest = await run.untilGate();
    await run.signal('approve', { gate: 'apply', digest, approver: 'alice' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'done' });
    expect(await gateOf(run)).toMatchObject({
      decisions: [{ via: 'signal', decision: 'approve', approver: 'alice' }],
    });
  });

  it('are kept with the reason where the update would have been refused', async () => {
    const site = harness().site('kindly');
    const run = await harness().start('hybridStorage', { site: 'kindly' });
    const digest = await run.untilGate();
    await run.signal('approve', { gate: 'apply', digest: 'sha256:other', approver: 'alice' });
    await run.signal('approve', { gate: 'apply', digest, approver: 'mallory' });
    await run.signal('approve', { gate: 'launch', digest, approver: 'alice' });
    await run.signal('approve', 'yes please');
    await run.signal('reject');
    const status = await run.until(({ ignored }) => ignored.length === 3, 'three ignored');
    expect(status.gates[0]?.refused).toMatchObject([
      {
        approver: 'alice',
        via: 'signal',
        refusal: expect.stringContaining('asks about') as string,
      },
      { approver: 'mallory', refusal: expect.stringContaining('not among') as string },
    ]);
    expect(status.ignored).toMatchObject([
      { name: 'approve', by: 'alice', why: 'there is no gate launch' },
      { name: 'approve', why: 'it does not say gate, digest, approver' },
      { name: 'reject', why: 'it does not say gate, digest, approver' },
    ]);
    expect(status.state).toBe('waiting-for-approval');
    expect(site.walk).toEqual(['planHybridStorage']);
    await run.signal('reject', { gate: 'apply', digest, approver: 'bob' });
    expect(await run.result<OperationReport>()).toMatchObject({ outcome: 'rejected' });
  });
});
