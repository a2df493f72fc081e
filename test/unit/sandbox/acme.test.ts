/** The pure parts of the site `acme`: its objects against what sites/acme.yaml promises, and what a reset deletes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { kindsToDelete } from '../../../deploy/sandbox/acme/cluster.ts';
import {
  claim,
  deployment,
  documentRoot,
  namespace,
  secrets,
  traffic,
} from '../../../deploy/sandbox/acme/objects.ts';
import { parseReport } from '../../../deploy/sandbox/acme/site.ts';
import type { SiteFile } from '../../../src/domain/site/schema.ts';

const siteFile = join(import.meta.dirname, '../../../sites/acme.yaml');
const site = parse(readFileSync(siteFile, 'utf8')) as SiteFile;

interface Container {
  name: string;
  image: string;
  lifecycle?: unknown;
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string } } }[];
}
const { spec } = deployment as unknown as {
  spec: { replicas: number; template: { spec: { containers: Container[] } } };
};
const containers = spec.template.spec.containers;

const credentials = {
  databaseAdminPassword: 'a',
  wordpressDatabasePassword: 'b',
  wordpressAdminPassword: 'c',
  objectStorageAccessKey: 'd',
  objectStorageSecretKey: 'e',
  digitaloceanToken: 'f',
  vaultToken: 'g',
  backupPassword: 'h',
  cloudflareToken: 'i',
};

describe('the site before the roadmap', () => {
  it('has the names of sites/acme.yaml', () => {
    expect(namespace).toBe(site.cluster.namespace);
    expect(deployment.metadata?.name).toBe(site.cluster.deployment);
    expect(traffic[0]?.metadata?.name).toBe(site.cluster.service);
    expect(containers.map(({ name }) => name)).toContain(site.cluster.container);
    expect(containers.every(({ image }) => image === site.wordpress.image)).toBe(true);
    expect(documentRoot).toBe(site.wordpress.documentRoot);
  });

  it('has the secrets that sites/acme.yaml refers to', () => {
    const made = secrets(credentials, 'PEM').map(
      ({ metadata }) => `kubernetes:${metadata?.namespace}/${metadata?.name}`,
    );
    const wanted = [
      site.wordpress.adminCredentials,
      site.database.credentials,
      site.database.adminCredentials,
      site.backup?.password,
      site.database.ca,
      site.storage.objects.adminCredentials,
    ].map((reference) => reference?.replace(/#.*$/, ''));
    expect(made.sort()).toEqual(wanted.sort());
  });

  it('is what people have: one replica on one volume, without preStop and fixed salts', () => {
    expect(spec.replicas).toBe(1);
    expect((claim as unknown as { spec: { accessModes: string[] } }).spec.accessModes).toEqual([
      'ReadWriteOnce',
    ]);
    expect(containers.filter(({ lifecycle }) => lifecycle !== undefined)).toEqual([]);
    const variables = containers.flatMap(({ env }) => env ?? []).map(({ name }) => name);
    expect(variables.filter((name) => /_(KEY|SALT)$/.test(name))).toEqual([]);
  });

  it('takes the password from a Secret', () => {
    const env = containers.flatMap((container) => container.env ?? []);
    const password = env.find(({ name }) => name === 'WORDPRESS_DB_PASSWORD');
    expect(password?.value).toBeUndefined();
    expect(password?.valueFrom?.secretKeyRef.name).toBe('wordpress-database');
  });
});

describe('kindsToDelete', () => {
  const kinds = kindsToDelete(
    'configmaps\nevents\npods\nserviceaccounts\nrolebindings.rbac.authorization.k8s.io\nvolumesnapshots.snapshot.storage.k8s.io\ndeployments.apps\njobs.batch\n',
  );

  it('tells what makes pods from the pods', () => {
    expect(kinds.workloads).toEqual(['deployments.apps', 'jobs.batch']);
  });

  it("leaves the worker's access and what the cluster makes by itself", () => {
    expect(kinds.others).toEqual(['configmaps', 'pods', 'volumesnapshots.snapshot.storage.k8s.io']);
  });
});

describe('parseReport', () => {
  it('reads the line of JSON', () => {
    expect(parseReport('{"posts":200,"comments":50}').posts).toBe(200);
  });

  it.each(['', 'PHP Fatal error:  Uncaught Error', '{"error":1}'])('refuses %j', (line) => {
    expect(() => parseReport(line)).toThrow('Filling the site failed');
  });
});
