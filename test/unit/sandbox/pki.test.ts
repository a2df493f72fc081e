import { X509Certificate } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';

// The settings read it when they are loaded.
const stateDir = mkdtempSync(join(tmpdir(), 'pki-'));
vi.stubEnv('PRESSLIFT_SANDBOX_DIR', stateDir);
const { ensureCertificateAuthority, issueCertificate } =
  await import('../../../deploy/sandbox/pki.ts');

afterAll(() => rm(stateDir, { recursive: true }));

const request = {
  ca: 'sandbox-ca',
  name: 'database',
  commonName: 'db.presslift.test',
  dnsNames: ['db.presslift.test'],
  ipAddresses: ['127.0.0.1'],
  usages: ['server'],
} as const;

async function certificate(file: string): Promise<X509Certificate> {
  return new X509Certificate(await readFile(file));
}

describe('certificates', () => {
  it('are below their authority, for their names, and good for the asked usage alone', async () => {
    const authority = await certificate((await ensureCertificateAuthority('sandbox-ca')).certFile);
    const { certFile, keyFile } = await issueCertificate(request);
    const leaf = await certificate(certFile);
    expect(authority.ca).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.checkIssued(authority) && leaf.verify(authority.publicKey)).toBe(true);
    expect(leaf.checkHost('db.presslift.test')).toBe('db.presslift.test');
    expect(leaf.checkHost('s3.presslift.test')).toBeUndefined();
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
    // serverAuth, as an object identifier.
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect((await stat(keyFile)).mode & 0o077).toBe(0);
  });

  it('stay the same for the same request, also when it is asked twice at a time', async () => {
    const [one, two] = await Promise.all([issueCertificate(request), issueCertificate(request)]);
    const first = await readFile(one.certFile, 'utf8');
    expect(two).toEqual(one);
    await issueCertificate(request);
    expect(await readFile(one.certFile, 'utf8')).toBe(first);
  });

  it('are made anew when their names change or their authority was replaced', async () => {
    const { certFile } = await issueCertificate(request);
    const before = (await certificate(certFile)).serialNumber;
    await issueCertificate({ ...request, dnsNames: ['other.presslift.test'] });
    const renamed = await certificate(certFile);
    expect(renamed.serialNumber).not.toBe(before);
    expect(renamed.checkHost('other.presslift.test')).toBeDefined();

    await rm(join(stateDir, 'pki', 'sandbox-ca.crt'));
    await issueCertificate({ ...request, dnsNames: ['other.presslift.test'] });
    const authority = await certificate((await ensureCertificateAuthority('sandbox-ca')).certFile);
    expect((await certificate(certFile)).verify(authority.publicKey)).toBe(true);
  });

  it('refuse names that would change the request', async () => {
    await expect(issueCertificate({ ...request, name: '../db' })).rejects.toThrow('file');
    await expect(
      issueCertificate({ ...request, name: 'evil', commonName: 'a\nCA = TRUE' }),
    ).rejects.toThrow('certificate');
  });
});
