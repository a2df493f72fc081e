import { connect } from 'node:tls';
import type { ServedFact } from '../../domain/prerequisite-facts.ts';
import { daysUntil } from '../../domain/planners/prerequisites-hostnames.ts';
import { errorCode } from '../failure.ts';

export interface ServedOptions {
  /** Default 443. */
  port?: number;
  /** Address to connect to instead of asking DNS. */
  address?: string;
  /** PEM of authorities to trust instead of the process's own. */
  ca?: string;
  timeoutMs?: number;
}

/** Connects as a browser would and reports whether the certificate verifies, and until when it is valid. */
export function servedCertificate(
  host: string,
  now: Date,
  options: ServedOptions = {},
): Promise<ServedFact> {
  const nothing = (seen: string): ServedFact => ({
    host,
    verified: false,
    seen,
    validTo: null,
    daysLeft: null,
  });
  return new Promise((resolve) => {
    const socket = connect({
      host: options.address ?? host,
      port: options.port ?? 443,
      servername: host,
      ca: options.ca,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      timeout: options.timeoutMs ?? 10_000,
    });
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate();
      const validTo = new Date(certificate.valid_to);
      resolve({
        host,
        verified: true,
        seen: `${certificate.subjectaltname ?? ''} by ${String(certificate.issuer?.CN ?? '')}`,
        validTo: validTo.toISOString(),
        daysLeft: daysUntil(validTo, now),
      });
      socket.destroy();
    });
    socket.once('timeout', () => {
      resolve(nothing('ETIMEDOUT'));
      socket.destroy();
    });
    socket.once('error', (error: Error) => resolve(nothing(errorCode(error) ?? error.message)));
  });
}
