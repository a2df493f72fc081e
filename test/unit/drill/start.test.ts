/** How the copy's pod comes up: when a drill stops to wait, and what it says of the point then. No cluster. */
import type { V1ContainerState, V1Pod } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { startCriteria, watchCopy } from '../../../src/activities/drill/start.ts';
import { isUnmeasured } from '../../../src/domain/recovery/drill-criteria.ts';

const pod = (state: V1ContainerState, ready = false): V1Pod => ({
  status: {
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containerStatuses: [
      {
        ...{ name: 'php', image: 'i', imageID: state.running ? 'sha256:1' : '' },
        ...{ ready, restartCount: 0, state, started: ready },
      },
    ],
  },
});
const waits = (reason: string, message = '') => pod({ waiting: { reason, message } });

/** Looks every half second for as long as the pod is like this; at which second the waiting ended, and with what. */
function watched(phases: [seconds: number, pod: V1Pod][]) {
  const watch = watchCopy('php');
  let at = 0;
  for (const [seconds, seen] of phases) {
    for (const end = at + seconds * 1_000; at < end; at += 500) {
      const look = watch(seen, at);
      if (look.over) {
        const made = { images: ['i'], emptied: [] };
        const criteria = startCriteria(look.seen, made).filter(({ pass }) => !pass);
        return {
          after: at / 1_000,
          seen: criteria.filter((one) => !isUnmeasured(one)).map(({ id }) => id),
          unmeasured: criteria.filter(isUnmeasured).map(({ id }) => id),
        };
      }
    }
  }
  return null;
}

const notFound = 'failed to pull and unpack image "r/i": failed to resolve reference: not found';
const timedOut = 'failed to pull image "r/i": dial tcp 10.0.0.9:443: i/o timeout';
const backingOff = waits('ImagePullBackOff', 'Back-off pulling image "r/i"');

describe('a copy of which the image does not come', () => {
  test('is a finding when the registry says that there is none, also while the cluster waits to ask again', () => {
    const found = { after: 25, seen: ['image', 'boot'], unmeasured: [] };
    expect(watched([[60, waits('ErrImagePull', notFound)]])).toEqual(found);
    expect(
      watched([
        [5, waits('ErrImagePull', notFound)],
        [60, backingOff],
      ]),
    ).toEqual(found);
  });

  test.each([
    ['does not answer', timedOut],
    ['refuses the cluster', 'pull access denied, repository does not exist or may require auth'],
  ])('is waited for when the registry %s, and says nothing of the point', (_, message) => {
    const phases: [number, V1Pod][] = [
      [5, waits('ErrImagePull', message)],
      [600, backingOff],
    ];
    expect(watched(phases)).toEqual({ after: 300, seen: [], unmeasured: ['image', 'boot'] });
  });

  test('is forgotten when it comes in the end', () => {
    expect(
      watched([
        [200, waits('ErrImagePull', timedOut)],
        [100, waits('ContainerCreating')],
        [10, pod({ running: {} }, true)],
      ]),
    ).toEqual({ after: 300, seen: [], unmeasured: [] });
  });
});

describe('a copy that does not start', () => {
  test.each([
    ['crashes', waits('CrashLoopBackOff'), 30],
    ['runs and never gets ready', pod({ running: {} }), 180],
  ])('because it %s is a finding', (_, seen, after) => {
    expect(watched([[400, seen]])).toMatchObject({ after, seen: ['boot'] });
  });

  test('because it waits for its volume is waited for', () => {
    expect(watched([[800, waits('ContainerCreating')]])).toBeNull();
  });
});
