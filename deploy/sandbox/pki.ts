/**
 * The sandbox's certificates. Made with `openssl`, kept in `paths.pki`, made anew when what they say is to change, when
 * their authority was replaced or when they end soon.
 */
import { generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from './command.ts';
import { paths } from './settings.ts';

/**
 * `sandbox-ca` signs what the worker and visitors meet (database, object storage, ingress); the others are the
 * cluster's own and trusted by nobody else.
 */
export type AuthorityName = 'sandbox-ca' | 'kubernetes-ca' | 'front-proxy-ca' | 'etcd-ca';

export interface CertificateFiles {
  certFile: string;
  keyFile: string;
}

export interface CertificateRequest {
  ca: AuthorityName;
  /** Name of the files in `paths.pki`. */
  name: string;
  commonName: string;
  organization?: string;
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  usages: readonly ('server' | 'client')[];
}

const authorityDays = 3650;
const leafDays = 365;
/** A certificate that ends sooner is made anew. */
const renewBeforeMs = 30 * 24 * 3600 * 1000;

/** Makes of the same file that are under way, so that components that start together share one. */
const underWay = new Map<string, Promise<CertificateFiles>>();

/** The authority's certificate and key, made on the first call. */
export function ensureCertificateAuthority(name: AuthorityName): Promise<CertificateFiles> {
  return once(name, () =>
    ensure(name, {
      days: authorityDays,
      subject: { commonName: `Presslift ${name}` },
      extensions: [
        'basicConstraints = critical, CA:TRUE',
        'keyUsage = critical, keyCertSign, cRLSign, digitalSignature',
        'subjectKeyIdentifier = hash',
      ],
    }),
  );
}

/** A certificate below one of the authorities (EC P-256, one year); the same request again returns the same files. */
export function issueCertificate(request: CertificateRequest): Promise<CertificateFiles> {
  return once(request.name, async () => {
    const { ca, name, commonName, organization, dnsNames = [], ipAddresses = [], usages } = request;
    const issuer = await ensureCertificateAuthority(ca);
    const names = [
      ...dnsNames.map((dnsName) => `DNS:${dnsName}`),
      ...ipAddresses.map((address) => `IP:${address}`),
    ];
    return ensure(name, {
      days: leafDays,
      subject: { commonName, organization },
      issuer,
      extensions: [
        'basicConstraints = critical, CA:FALSE',
        'keyUsage = critical, digitalSignature, keyEncipherment',
        `extendedKeyUsage = ${usages.map((usage) => `${usage}Auth`).join(', ')}`,
        'subjectKeyIdentifier = hash',
        'authorityKeyIdentifier = keyid',
        ...(names.length > 0 ? [`subjectAltName = ${names.join(', ')}`] : []),
      ],
    });
  });
}

/** A key pair without a certificate, PEM: what the API server signs ServiceAccount tokens with. */
export async function ensureKeyPair(
  name: string,
): Promise<{ privateKeyFile: string; publicKeyFile: string }> {
  const privateKeyFile = join(paths.pki, `${name}.key`);
  const publicKeyFile = join(paths.pki, `${name}.pub`);
  if (!(await exists(publicKeyFile)) || !(await exists(privateKeyFile))) {
    const { privateKey, publicKey } = await promisify(generateKeyPair)('ec', {
      namedCurve: 'P-256',
    });
    await mkdir(paths.pki, { recursive: true });
    await writeFile(privateKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    });
    await writeFile(publicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));
  }
  return { privateKeyFile, publicKeyFile };
}

interface Specification {
  days: number;
  subject: { commonName: string; organization?: string };
  issuer?: CertificateFiles;
  extensions: readonly string[];
}

async function once(
  name: string,
  make: () => Promise<CertificateFiles>,
): Promise<CertificateFiles> {
  const running = underWay.get(name);
  if (running) return running;
  const started = make().finally(() => underWay.delete(name));
  underWay.set(name, started);
  return started;
}

async function ensure(name: string, wanted: Specification): Promise<CertificateFiles> {
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(name)) throw new Error(`Not a name for a file: ${name}`);
  const files = {
    certFile: join(paths.pki, `${name}.crt`),
    keyFile: join(paths.pki, `${name}.key`),
  };
  // The request lies beside its files: comparing it is simpler and stricter than reading it back from the certificate.
  const requestFile = join(paths.pki, `${name}.cnf`);
  const request = opensslConfiguration(wanted);
  if ((await readText(requestFile)) === request && (await isUsable(files, wanted.issuer))) {
    return files;
  }
  await mkdir(paths.pki, { recursive: true });
  await rm(requestFile, { force: true });
  const draft = join(paths.pki, `.${name}.${process.pid}`);
  try {
    await writeFile(`${draft}.cnf`, request);
    await runCommand('openssl', [
      ...['req', '-x509', '-new', '-noenc', '-config', `${draft}.cnf`],
      ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
      ...['-days', String(wanted.days), '-set_serial', `0x${randomBytes(15).toString('hex')}`],
      ...(wanted.issuer ? ['-CA', wanted.issuer.certFile, '-CAkey', wanted.issuer.keyFile] : []),
      ...['-keyout', `${draft}.key`, '-out', `${draft}.crt`],
    ]);
    await rename(`${draft}.key`, files.keyFile);
    await rename(`${draft}.crt`, files.certFile);
    // Last, so that an interrupted make is repeated.
    await rename(`${draft}.cnf`, requestFile);
  } finally {
    for (const part of ['cnf', 'key', 'crt']) await rm(`${draft}.${part}`, { force: true });
  }
  return files;
}

function opensslConfiguration({ subject, extensions }: Specification): string {
  for (const value of [subject.commonName, subject.organization ?? '']) {
    if (/[\\$#\n]/.test(value)) throw new Error(`Not a name for a certificate: ${value}`);
  }
  return [
    '[req]',
    'distinguished_name = subject',
    'x509_extensions = extensions',
    'prompt = no',
    'string_mask = utf8only',
    '[subject]',
    ...(subject.organization ? [`O = ${subject.organization}`] : []),
    `CN = ${subject.commonName}`,
    '[extensions]',
    ...extensions,
    '',
  ].join('\n');
}

async function isUsable(files: CertificateFiles, issuer?: CertificateFiles): Promise<boolean> {
  const certificate = await readText(files.certFile);
  if (certificate === undefined || !(await exists(files.keyFile))) return false;
  const parsed = new X509Certificate(certificate);
  if (parsed.validToDate.getTime() - Date.now() < renewBeforeMs) return false;
  if (!issuer) return true;
  return parsed.verify(new X509Certificate(await readFile(issuer.certFile)).publicKey);
}

async function exists(file: string): Promise<boolean> {
  return (await readText(file)) !== undefined;
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
