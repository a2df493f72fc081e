import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A certificate with its private key, both PEM. */
export interface CertificatePair {
  certificate: string;
  privateKey: string;
}

interface Issuer extends CertificatePair {
  commonName: string;
}

export interface CertificateOptions {
  commonName: string;
  /** Without it the certificate signs itself and is a CA. */
  issuer?: Issuer;
  dnsNames?: string[];
  ipAddresses?: string[];
  /** Default: from an hour ago to a day from now. */
  notBefore?: Date;
  notAfter?: Date;
}

/**
 * Makes a P-256 certificate in memory: a certification authority, or a server's certificate below one.
 *
 * For certificates that live for one probe: a throwaway CA that a server must *not* be trusted under.
 */
export function createCertificate(options: CertificateOptions): Issuer {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const hour = 3_600_000;
  const now = Date.now();
  const isAuthority = options.issuer === undefined;
  const signingKey: KeyObject | string = options.issuer?.privateKey ?? privateKey;
  const toBeSigned = sequence(
    tagged(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    ecdsaWithSha256,
    name(options.issuer?.commonName ?? options.commonName),
    sequence(
      time(options.notBefore ?? new Date(now - hour)),
      time(options.notAfter ?? new Date(now + 24 * hour)),
    ),
    name(options.commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...extensions(options, isAuthority))),
  );
  const signature = sign('sha256', toBeSigned, signingKey);
  const certificate = sequence(toBeSigned, ecdsaWithSha256, bitString(signature));
  return {
    commonName: options.commonName,
    certificate: pem('CERTIFICATE', certificate),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

function extensions(options: CertificateOptions, isAuthority: boolean): Buffer[] {
  const basicConstraints = extension(
    '551d13',
    true,
    sequence(...(isAuthority ? [tagged(0x01, Buffer.from([0xff]))] : [])),
  );
  // keyCertSign and cRLSign for a CA, digitalSignature for a server.
  const keyUsage = extension(
    '551d0f',
    true,
    tagged(0x03, isAuthority ? Buffer.from([0x01, 0x06]) : Buffer.from([0x07, 0x80])),
  );
  const names = [
    ...(options.dnsNames ?? []).map((dnsName) => tagged(0x82, Buffer.from(dnsName))),
    ...(options.ipAddresses ?? []).map((address) => tagged(0x87, addressBytes(address))),
  ];
  return [
    basicConstraints,
    keyUsage,
    ...(names.length > 0 ? [extension('551d11', false, sequence(...names))] : []),
  ];
}

// DER: each value is its tag, its length and its content (ITU-T X.690).

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...items: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(items));
}

function integer(content: Buffer): Buffer {
  return tagged(0x02, content);
}

function bitString(content: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), content]));
}

function objectIdentifier(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'));
}

function name(commonName: string): Buffer {
  const attribute = sequence(objectIdentifier('550403'), tagged(0x0c, Buffer.from(commonName)));
  return sequence(tagged(0x31, attribute));
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, ''); // 20261123181500Z
  // UTCTime, two digits of the year: right until 2049, and asked for by RFC 5280 until then.
  return tagged(0x17, Buffer.from(digits.slice(2)));
}

function extension(identifier: string, critical: boolean, content: Buffer): Buffer {
  return sequence(
    objectIdentifier(identifier),
    ...(critical ? [tagged(0x01, Buffer.from([0xff]))] : []),
    tagged(0x04, content),
  );
}

function addressBytes(address: string): Buffer {
  if (!isIPv4(address)) throw new TypeError('only IPv4 addresses are supported');
  return Buffer.from(address.split('.').map(Number));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

const ecdsaWithSha256 = sequence(objectIdentifier('2a8648ce3d040302'));
