import type { V1Probe } from '@kubernetes/client-node';

/** Least values of a probe; larger ones of the site stay. */
export interface ProbeFloor {
  timeoutSeconds: number;
  failureThreshold: number;
}

/** Under load a page of WordPress takes seconds; the default time-out of 1 s takes every pod out of the Service at once. */
export const readinessFloor: ProbeFloor = { timeoutSeconds: 5, failureThreshold: 3 };
export const livenessFloor: ProbeFloor = { timeoutSeconds: 10, failureThreshold: 6 };
export const startupFloor: ProbeFloor = { timeoutSeconds: 10, failureThreshold: 60 };

/** The probe with time-out and failure threshold raised to at least the floor, never lowered. */
export function raiseProbe(probe: V1Probe, floor: ProbeFloor): V1Probe {
  return {
    ...probe,
    timeoutSeconds: Math.max(probe.timeoutSeconds ?? 1, floor.timeoutSeconds),
    failureThreshold: Math.max(probe.failureThreshold ?? 3, floor.failureThreshold),
  };
}

/** The probes of the container that answers visitors; what is missing is made from what is there. */
export function httpProbes(
  container: { readinessProbe?: V1Probe; livenessProbe?: V1Probe; startupProbe?: V1Probe },
  port: string | number,
): { readinessProbe: V1Probe; livenessProbe?: V1Probe; startupProbe: V1Probe } {
  const readiness = container.readinessProbe ?? {
    httpGet: { path: '/wp-login.php', port },
    periodSeconds: 5,
  };
  const { httpGet, tcpSocket, exec, grpc } = readiness;
  const startup = container.startupProbe ?? {
    ...(httpGet && { httpGet }),
    ...(tcpSocket && { tcpSocket }),
    ...(exec && { exec }),
    ...(grpc && { grpc }),
    periodSeconds: 1,
  };
  return {
    readinessProbe: raiseProbe(readiness, readinessFloor),
    ...(container.livenessProbe && {
      livenessProbe: raiseProbe(container.livenessProbe, livenessFloor),
    }),
    startupProbe: raiseProbe(startup, startupFloor),
  };
}

/**
 * The startup probe of PHP-FPM as native sidecar: the web server starts only when FPM listens. Asked from inside the
 * container by PHP itself, because FPM often listens on its loopback address alone.
 */
export function fpmStartupProbe(port: number): V1Probe {
  return {
    exec: { command: ['php', '-r', `exit(@fsockopen('127.0.0.1', ${port}) ? 0 : 1);`] },
    periodSeconds: 1,
    timeoutSeconds: 5,
    failureThreshold: 60,
  };
}
