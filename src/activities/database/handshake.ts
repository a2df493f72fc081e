import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type PeerCertificate } from 'node:tls';
import { connectionFailure, errorCode, failure } from '../failure.ts';

export interface DatabaseAddress {
  host: string;
  port: number;
}

/** What a verified TLS handshake with a database server showed. */
export interface TlsFacts {
  /** `TLSv1.3` */
  protocol: string;
  /** `TLS_AES_256_GCM_SHA384` */
  cipher: string;
  certificate: { subject: string; issuer: string; names: string; validTo: string };
}

const capabilities = {
  longPassword: 0x1,
  protocol41: 0x200,
  ssl: 0x800,
  secureConnection: 0x8000,
  pluginAuth: 0x80000,
};

/**
 * Opens a connection as MySQL clients do, switches it to TLS, verifies certificate and name against `ca`, and closes it
 * again. No account is named and no password sent: this runs before any credentials do, also because mysql2 checks no
 * name when the host is an IP address.
 *
 * @throws TlsRejected when the certificate is not for `host` or not signed by `ca`, or when the server speaks no TLS;
 *   Unavailable when it does not answer.
 */
export async function verifiedHandshake(
  address: DatabaseAddress,
  ca: string | undefined,
  timeoutMs = 10_000,
): Promise<TlsFacts> {
  const what = `Database ${address.host}:${address.port}`;
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = connectTcp({ ...address, signal });
  try {
    const greeting = await firstPacket(socket);
    if (greeting[0] === 0xff) {
      throw failure('Unavailable', `${what} refuses connections: ${errorText(greeting)}`);
    }
    if ((greetingCapabilities(greeting) & capabilities.ssl) === 0) {
      throw failure('TlsRejected', `${what} does not offer TLS`);
    }
    socket.write(sslRequest());
    return await upgrade(socket, address.host, ca);
  } catch (error) {
    const mapped = connectionFailure(error, what);
    throw mapped === error && !(error as { type?: string }).type
      ? failure('Unavailable', `${what}: ${errorCode(error) ?? 'it does not speak MySQL'}`)
      : mapped;
  } finally {
    socket.destroy();
  }
}

function upgrade(socket: Socket, host: string, ca: string | undefined): Promise<TlsFacts> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({
      socket,
      ca,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      servername: isIP(host) ? undefined : host,
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    });
    socket.once('error', reject);
    secure.once('error', reject);
    secure.once('close', () => {
      reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    });
    secure.once('secureConnect', () => {
      resolve({
        protocol: secure.getProtocol() ?? 'unknown',
        cipher: secure.getCipher().standardName ?? secure.getCipher().name,
        certificate: certificateFacts(secure.getPeerCertificate()),
      });
      secure.destroy();
    });
  });
}

/** The parts of a peer's certificate that a person wants to see. */
export function certificateFacts(certificate: PeerCertificate): TlsFacts['certificate'] {
  return {
    subject: String(certificate.subject?.CN ?? ''),
    issuer: String(certificate.issuer?.CN ?? certificate.issuer?.O ?? ''),
    names: certificate.subjectaltname ?? '',
    validTo: certificate.valid_to ? new Date(certificate.valid_to).toISOString() : '',
  };
}

/** The payload of the first packet: 3 bytes of length, 1 of sequence, then the payload. */
function firstPacket(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4) return;
      const length = received.readUIntLE(0, 3);
      if (received.length < 4 + length) return;
      socket.off('data', onData);
      socket.pause();
      resolve(received.subarray(4, 4 + length));
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.once('close', () => {
      reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    });
  });
}

/** Capability flags of a version 10 greeting; 0 for anything else. */
function greetingCapabilities(greeting: Buffer): number {
  if (greeting[0] !== 10) return 0;
  const version = greeting.indexOf(0, 1); // end of the server's version text
  const lower = version + 1 + 4 + 8 + 1; // thread id, first part of the challenge, filler
  if (version < 0 || greeting.length < lower + 2) return 0;
  return greeting.readUInt16LE(lower);
}

function errorText(packet: Buffer): string {
  return packet.length > 3 ? packet.subarray(3).toString('utf8') : 'no reason given';
}

/** The client's first packet when it asks for TLS. */
function sslRequest(): Buffer {
  const packet = Buffer.alloc(4 + 32);
  packet.writeUIntLE(32, 0, 3);
  packet[3] = 1;
  const flags = Object.values(capabilities).reduce((all, flag) => all | flag, 0);
  packet.writeUInt32LE(flags, 4);
  packet.writeUInt32LE(0x1000000, 8); // largest packet, 16 MiB
  packet[12] = 45; // utf8mb4
  return packet;
}
