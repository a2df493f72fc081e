import { databaseHazards } from '../database-hazards.ts';
import type { Finding } from '../plan.ts';
import type {
  DatabaseFacts,
  ObjectStorageFacts,
  PrerequisiteFacts,
  Refusal,
} from '../prerequisite-facts.ts';
import type { Site } from '../site/schema.ts';
import { storageProviders } from '../storage-providers.ts';
import { finding } from './finding.ts';
import { hostnameFindings } from './prerequisites-hostname-findings.ts';
import { daysUntil, MINIMUM_DAYS_VALID } from './prerequisites-hostnames.ts';

/** Everything that a person should know before phase 0; errors forbid going on. */
export function prerequisiteFindings(site: Site, facts: PrerequisiteFacts): Finding[] {
  return [
    ...databaseFindings(site, facts.database, facts.today),
    ...storageFindings(site, facts.objectStorage),
    ...hostnameFindings(site, facts.hostnames, facts.today),
  ];
}

function databaseFindings(site: Site, facts: DatabaseFacts, today: string): Finding[] {
  const found: Finding[] = [];
  const where = `Database ${facts.database} at ${facts.address}`;
  if (facts.managed && !facts.managed.ok) {
    found.push(
      finding(
        'error',
        'managed-database-unknown',
        facts.managed.message,
        'Check database.managed in the site file and the token behind its reference.',
        { type: facts.managed.type },
      ),
    );
  } else if (facts.managed) {
    const { status, hosts, accountKnown, id, name } = facts.managed.value;
    if (status !== 'online') {
      found.push(
        finding(
          'error',
          'managed-database-not-online',
          `Database cluster ${name} is ${status}, not online`,
          'Wait until the provider has finished, then plan again.',
          { id, status },
        ),
      );
    }
    if (hosts.length > 0 && !hosts.includes(site.database.host)) {
      found.push(
        finding(
          'warning',
          'managed-database-other-host',
          `database.host is ${site.database.host}, but cluster ${name} answers at ${hosts.join(', ')}`,
          'Make sure that both are the same database.',
          { host: site.database.host, hosts },
        ),
      );
    }
    if (!accountKnown) {
      found.push(
        finding(
          'warning',
          'managed-database-unknown-account',
          `The site's account is not among the users that the provider knows for ${name}`,
          'Create accounts through the provider, so that they survive a restore.',
          { id },
        ),
      );
    }
  }
  if (!facts.connection.ok) {
    found.push(
      finding(
        'error',
        'database-unreachable',
        `${where} cannot be used: ${facts.connection.message}`,
        'Check host, port, CA, credentials and the trusted sources of the database.',
        { type: facts.connection.type },
      ),
    );
    return found;
  }
  const { server, privileges, exists, tls } = facts.connection.value;
  found.push(
    ...refusalFindings(
      'database-wrong-ca',
      `${where} under a CA that is not its own`,
      facts.wrongCa,
    ),
    ...refusalFindings('database-plain', `${where} without TLS`, facts.plain),
  );
  if (!exists) {
    found.push(
      finding(
        'error',
        'database-missing',
        `${where} does not exist`,
        'Create it, or correct database.name.',
      ),
    );
  }
  if (!privileges.sufficient) {
    found.push(
      finding(
        'error',
        'database-privileges-missing',
        `The site's account lacks ${privileges.missing.join(', ')} on ${facts.database}`,
        `GRANT ALL PRIVILEGES ON \`${facts.database}\`.* to the account.`,
        { missing: privileges.missing },
      ),
    );
  } else if (privileges.missingUseful.length > 0) {
    found.push(
      finding(
        'info',
        'database-privileges-useful',
        `The site's account lacks ${privileges.missingUseful.join(', ')}, which some plugins and backups use`,
        null,
        { missing: privileges.missingUseful },
      ),
    );
  }
  if (privileges.excessive.length > 0) {
    found.push(
      finding(
        'warning',
        'database-privileges-excessive',
        `The site's account has ${privileges.excessive.join(', ')} on the whole server`,
        'Give the site an account of its own for its database alone.',
        { excessive: privileges.excessive },
      ),
    );
  }
  const daysLeft = daysUntil(new Date(tls.certificate.validTo), new Date(today));
  if (daysLeft <= MINIMUM_DAYS_VALID) {
    found.push(
      finding(
        'warning',
        'database-certificate-ends',
        `The certificate of ${facts.address} ends in ${daysLeft} days`,
        'Renew it; connections are refused from then on.',
        { validTo: tls.certificate.validTo },
      ),
    );
  }
  const replicas = site.wordpress.replicas;
  return [...found, ...databaseHazards(server, { today, replicas })];
}

function refusalFindings(id: string, what: string, facts: Refusal): Finding[] {
  if (facts.refused === true) return [];
  if (facts.refused === false) {
    return [
      finding(
        'error',
        `${id}-accepted`,
        `${what} was accepted: ${facts.seen}`,
        'The connection can be read or redirected by others. Require TLS on the server.',
        { seen: facts.seen },
      ),
    ];
  }
  return [
    finding(
      'error',
      `${id}-unproved`,
      `It could not be found out whether ${what} is refused: ${facts.seen}`,
      'Plan again; it must be proved before the site relies on it.',
      { seen: facts.seen },
    ),
  ];
}

function storageFindings(site: Site, facts: ObjectStorageFacts): Finding[] {
  const found: Finding[] = [];
  const { objects } = site.storage;
  const traits = storageProviders[objects.provider];
  const where = `Bucket ${facts.bucket} at ${facts.endpoint}`;
  if (!facts.state.ok) {
    found.push(
      finding(
        'error',
        'bucket-unknown',
        `${where} cannot be asked: ${facts.state.message}`,
        'Check storage.objects and the keys behind its references.',
        { type: facts.state.type },
      ),
    );
  } else if (facts.state.value === 'forbidden') {
    found.push(
      finding(
        'error',
        'bucket-forbidden',
        `${where} belongs to somebody else, or the keys may not reach it`,
        'Choose another bucket name, or correct the keys.',
      ),
    );
  } else if (
    facts.state.value === 'unknown' ||
    (facts.state.value === 'absent' && !objects.adminCredentials)
  ) {
    found.push(
      finding(
        'error',
        'bucket-no-admin-keys',
        `${where} cannot be created or looked at without keys`,
        'Name storage.objects.adminCredentials in the site file.',
      ),
    );
  }
  if (facts.configuration && !facts.configuration.ok) {
    found.push(
      finding(
        'error',
        'bucket-configuration-unknown',
        `Settings of ${where} cannot be read: ${facts.configuration.message}`,
        'The keys of storage.objects.adminCredentials must be allowed to read and write them.',
        { type: facts.configuration.type },
      ),
    );
  }
  if (!traits.versioning) {
    found.push(
      finding(
        'warning',
        'bucket-no-versioning',
        `${traits.title} has no versioning: a deleted or overwritten object is gone`,
        'Keep a copy of the bucket elsewhere.',
      ),
    );
  }
  found.push(...keysFindings(site, facts));
  return found;
}

function keysFindings(site: Site, facts: ObjectStorageFacts): Finding[] {
  const { objects } = site.storage;
  const { keys } = facts;
  if (keys.issued && !keys.issued.ok) {
    return [
      finding(
        'error',
        'bucket-keys-api',
        keys.issued.message,
        "Check the token of the provider's API.",
        { type: keys.issued.type },
      ),
    ];
  }
  if (!keys.present) {
    if (canCreateKeys(site)) return [];
    return [
      finding(
        'error',
        'bucket-keys-missing',
        `There are no keys behind ${objects.credentials}: ${keys.why ?? 'it is empty'}`,
        keysAdvice(site),
      ),
    ];
  }
  const found: Finding[] = [];
  const failed = keys.use.find(({ ok }) => ok !== true);
  if (failed) {
    found.push(
      finding(
        'error',
        'bucket-keys-unusable',
        `The keys behind ${objects.credentials} cannot ${failed.action} an object: ${failed.seen}`,
        'Replace the keys; they must read and write this bucket.',
        { action: failed.action, seen: failed.seen },
      ),
    );
  }
  const reached = keys.isolation.find(({ ok }) => ok === false);
  if (reached) {
    found.push(
      finding(
        'error',
        'bucket-keys-too-wide',
        `The keys behind ${objects.credentials} reach beyond the bucket: ${reached.action} was allowed`,
        'Use keys for this bucket alone.',
        { action: reached.action },
      ),
    );
  }
  return found;
}

/** Whether keys can be made by the provider's API and put where the site file wants them. */
export function canCreateKeys(site: Site): boolean {
  const { objects } = site.storage;
  return (
    storageProviders[objects.provider].keysApi !== null &&
    site.database.managed?.provider === 'digitalocean' &&
    /^kubernetes:[^#]+$/.test(objects.credentials)
  );
}

function keysAdvice(site: Site): string {
  const { objects } = site.storage;
  const { keysApi, title } = storageProviders[objects.provider];
  if (keysApi === null)
    return `${title} has no API for this: make keys for the bucket and store them there.`;
  if (!site.database.managed)
    return 'Make keys for the bucket and store them there; no API token is known.';
  return 'Keys are created only for a whole Kubernetes Secret (kubernetes:<namespace>/<name>).';
}
