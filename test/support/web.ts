import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createCertificate } from '../../src/activities/database/x509.ts';

export interface TestWeb {
  port: number;
  /** PEM of the CA that signed the certificate. */
  ca: string;
  stop(): Promise<void>;
}

/** An HTTPS server on 127.0.0.1 whose certificate is for `host` and 127.0.0.1. */
export async function startWeb(
  host: string,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestWeb> {
  const authority = createCertificate({ commonName: 'Presslift test CA' });
  const leaf = createCertificate({
    commonName: host,
    issuer: authority,
    dnsNames: [host],
    ipAddresses: ['127.0.0.1'],
  });
  const server = createServer({ cert: leaf.certificate, key: leaf.privateKey }, handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ca: authority.certificate,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
