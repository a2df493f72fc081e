import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureTypeOf } from '../../../src/activities/failure.ts';
import { verifiedHandshake } from '../../../src/activities/database/handshake.ts';
import {
  probeDatabase,
  probePlain,
  probeWrongCa,
  type DatabaseProbeOptions,
} from '../../../src/activities/database/probe.ts';
import { createCertificate } from '../../../src/activities/database/x509.ts';
import { Secret } from '../../../src/activities/secrets/secret.ts';
import { freePort, startDatabase, type TestDatabase } from '../../support/database-servers.ts';

/**
 * The database probes against real MySQL 9.7 and MariaDB 10.11. It proves what is verified before a password leaves the
 * process, and that each probe can fail.
 */

const typeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no failure',
    (error: unknown) => failureTypeOf(error) ?? String(error),
  );

describe.each(['mysql', 'mariadb'] as const)('%s that requires TLS', (engine) => {
  let server: TestDatabase;
  let options: DatabaseProbeOptions;

  beforeAll(async () => {
    server = await startDatabase(engine);
    await server.admin(`
      CREATE DATABASE wordpress CHARACTER SET utf8mb4;
      CREATE USER wp IDENTIFIED BY 'pass-word';
      GRANT ALL PRIVILEGES ON wordpress.* TO wp;
      CREATE USER reader IDENTIFIED BY 'pass-word';
      GRANT SELECT ON wordpress.* TO reader;
    `);
    options = {
      host: server.host,
      port: server.port,
      ca: server.ca,
      database: 'wordpress',
      account: { username: 'wp', password: new Secret('pass-word') },
    };
  });
  afterAll(async () => server?.stop());

  it('is connected to over verified TLS, by address', async () => {
    const { tls, content } = await probeDatabase(options);
    expect(tls.protocol).toBe('TLSv1.3');
    expect(tls.cipher).toMatch(/^TLS_/);
    expect(tls.certificate.names).toContain('127.0.0.1');
    expect(content).toMatchObject({
      exists: true,
      server: {
        engine,
        hasMd5: engine === 'mariadb',
        requireSecureTransport: true,
        characterSet: 'utf8mb4',
      },
      privileges: { sufficient: true, missing: [], excessive: [] },
    });
    expect(content.server.maxConnections).toBeGreaterThan(0);
  });

  it('shows what an account lacks', async () => {
    const account = { username: 'reader', password: new Secret('pass-word') };
    const { content } = await probeDatabase({ ...options, account });
    expect(content.privileges.sufficient).toBe(false);
    expect(content.privileges.missing).toContain('ALTER');
  });

  it('shows that a database does not exist', async () => {
    const { content } = await probeDatabase({ ...options, database: 'nothing' });
    expect(content.exists).toBe(false);
  });

  it('is refused under a CA that did not sign its certificate', async () => {
    expect(await probeWrongCa(options)).toMatchObject({ refused: true });
    const stranger = createCertificate({ commonName: 'Presslift test CA' });
    expect(await typeOf(probeDatabase({ ...options, ca: stranger.certificate }))).toBe(
      'TlsRejected',
    );
  });

  it('is refused without a CA of its own', async () => {
    expect(await typeOf(probeDatabase({ ...options, ca: undefined }))).toBe('TlsRejected');
  });

  it('refuses plain connections', async () => {
    expect(await probePlain(options)).toMatchObject({ refused: true });
  });

  it('denies a wrong password without repeating it', async () => {
    const account = { username: 'wp', password: new Secret('not-the-password') };
    const error = await probeDatabase({ ...options, account }).catch((caught: unknown) => caught);
    expect(failureTypeOf(error)).toBe('Unauthorized');
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(
      'not-the-password',
    );
  });

  it('is Unavailable when nothing listens', async () => {
    expect(await typeOf(probeDatabase({ ...options, port: await freePort() }))).toBe('Unavailable');
  });
});

describe.each(['mysql', 'mariadb'] as const)(
  '%s with a certificate for another address',
  (engine) => {
    let server: TestDatabase;

    beforeAll(async () => {
      server = await startDatabase(engine, {
        certificateAddresses: ['192.0.2.1'],
        requireSecureTransport: false,
      });
      await server.admin(`
      CREATE USER lax IDENTIFIED BY 'pass-word';
      CREATE USER strict IDENTIFIED BY 'pass-word' REQUIRE SSL;
      CREATE USER unseen IDENTIFIED BY 'pass-word';
    `);
    });
    afterAll(async () => server?.stop());

    it('is rejected before any account is named', async () => {
      expect(await typeOf(verifiedHandshake(server, server.ca))).toBe('TlsRejected');
    });

    // As a site does: logged in over TLS first, by a name that the certificate has.
    const tryPlain = async (username: string) => {
      const account = { username, password: new Secret('pass-word') };
      const options = { ...server, host: 'localhost', database: 'wordpress', account };
      await probeDatabase(options);
      return probePlain(options);
    };

    it('is found out when it accepts plain connections', async () => {
      expect(await tryPlain('lax')).toMatchObject({ refused: false });
    });

    it('counts as refusing plain where the account requires TLS', async () => {
      expect(await tryPlain('strict')).toMatchObject({ refused: true });
    });

    it('proves nothing where the server wants the password itself', async () => {
      const account = { username: 'unseen', password: new Secret('pass-word') };
      const attempt = await probePlain({ ...server, database: 'wordpress', account });
      // MariaDB's accounts answer a challenge always; MySQL's only after a first login.
      expect(attempt.refused).toBe(engine === 'mysql' ? null : false);
    });
  },
);
