import type { PrerequisiteFacts } from '../../src/domain/prerequisite-facts.ts';
import {
  desiredBucketConfiguration,
  freshBucketConfiguration,
} from '../../src/domain/storage-providers.ts';

/** What is observed of `testSite()` when it has everything. */
export function completeFacts(): PrerequisiteFacts {
  return {
    today: '2026-11-23',
    database: {
      address: '127.0.0.1:3306',
      database: 'wordpress',
      managed: {
        ok: true,
        value: {
          ...{ id: 'x', name: 'main', engine: 'mysql', version: '8.4.6', region: 'nyc3' },
          ...{ status: 'online', hosts: ['127.0.0.1'], accountKnown: true },
        },
      },
      connection: {
        ok: true,
        value: {
          tls: {
            protocol: 'TLSv1.3',
            cipher: 'TLS_AES_256_GCM_SHA384',
            certificate: {
              ...{ subject: 'db', issuer: 'CA', names: 'DNS:db.test' },
              validTo: '2027-11-23T00:00:00.000Z',
            },
          },
          server: {
            ...{ engine: 'mysql', version: '8.4.6', sqlModes: [], maxConnections: 151 },
            ...{ requireSecureTransport: true, requirePrimaryKey: false, hasMd5: true },
            characterSet: 'utf8mb4',
          },
          privileges: {
            ...{ sufficient: true, missing: [], missingUseful: [], excessive: [], roles: [] },
          },
          exists: true,
        },
      },
      wrongCa: { refused: true, seen: 'refused' },
      plain: { refused: true, seen: 'refused' },
    },
    objectStorage: {
      endpoint: 'https://nyc3.digitaloceanspaces.com',
      bucket: 'acme-media',
      state: { ok: true, value: 'ours' },
      configuration: {
        ok: true,
        value: desiredBucketConfiguration(
          'spaces',
          ['acme.test'],
          freshBucketConfiguration('spaces'),
        ),
      },
      publicListing: { action: 'list', ok: true, seen: 'status 403' },
      keys: {
        present: true,
        accessKeyId: 'DO00',
        why: null,
        use: [{ action: 'put', ok: true, seen: 'as expected' }],
        isolation: [{ action: 'list bucket other', ok: true, seen: 'AccessDenied (403)' }],
        issued: { ok: true, value: ['DO00'] },
      },
    },
    hostnames: {
      hosts: ['acme.test'],
      addresses: [{ host: 'acme.test', addresses: ['192.0.2.1'], error: null }],
      routes: {
        ok: true,
        value: [
          {
            ...{ kind: 'Ingress', name: 'wordpress', hosts: ['acme.test'], via: 'traefik' },
            tls: [{ hosts: ['acme.test'], secretName: 'acme-tls' }],
          },
        ],
      },
      certificates: {
        ok: true,
        value: [
          {
            ...{ name: 'acme', dnsNames: ['acme.test'], secretName: 'acme-tls', ready: true },
            notAfter: '2027-02-01T00:00:00.000Z',
            issuer: { kind: 'ClusterIssuer', name: 'presslift-ca' },
          },
        ],
      },
      issuers: { ok: true, value: [{ kind: 'ClusterIssuer', name: 'presslift-ca', ready: true }] },
      ingressClasses: {
        ok: true,
        value: [{ name: 'traefik', controller: 'traefik.io/ingress-controller' }],
      },
      served: [
        {
          ...{ host: 'acme.test', verified: true, seen: '', daysLeft: 70 },
          validTo: '2027-02-01T00:00:00.000Z',
        },
      ],
    },
  };
}
