import { databaseHazards } from '../database-hazards.ts';
import type { Json } from '../json.ts';
import type { Finding, FindingLevel } from '../plan.ts';
import type {
  DatabaseFacts,
  HostnameFacts,
  ObjectStorageFacts,
  PrerequisiteFacts,
  Refusal,
} from '../prerequisite-facts.ts';
import type { Site } from '../site/schema.ts';
import { storageProviders } from '../storage-providers.ts';
import { alignHostnames, daysUntil, MINIMUM_DAYS_VALID } from './prerequisites-hostnames.ts';

/** Everything that a person should know before phase 0; errors forbid going on. */
export function prerequisiteFindings(site: Site, facts: PrerequisiteFacts): Finding[] {
  return [
    ...databaseFindings(site, facts.database, facts.today),
    ...storageFindings(site, facts.objectStorage),
    ...hostnameFindings(site, facts.hostnames, facts.today),
  ];
}

function finding(
  level: FindingLevel,
  id: string,
  message: string,
  advice: string | null,
  evidence: Json = null,
): Finding {
  return { id, level, message, advice, evidence };
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

function hostnameFindings(site: Site, facts: HostnameFacts, today: string): Finding[] {
  const found: Finding[] = [];
  const aligned = alignHostnames(site, facts, today);
  const groups = {
    'routes-unknown': facts.routes,
    'certificates-unknown': facts.certificates,
    'issuers-unknown': facts.issuers,
    'ingress-classes-unknown': facts.ingressClasses,
  };
  for (const [id, group] of Object.entries(groups)) {
    if (group.ok) continue;
    const advice =
      group.type === 'Forbidden' ? 'Grant the worker what deploy/rbac.yaml lists.' : null;
    found.push(finding('error', id, group.message, advice, { type: group.type }));
  }
  const named = (
    level: FindingLevel,
    id: string,
    names: string[],
    say: (list: string) => string,
    advice: string,
  ) => {
    if (names.length > 0) found.push(finding(level, id, say(names.join(', ')), advice, { names }));
  };
  named(
    'error',
    'hostnames-unresolved',
    aligned.unresolved,
    (list) => `DNS has no address for ${list}`,
    'Create the records, or correct hosts in the site file.',
  );
  if (facts.routes.ok) {
    named(
      'error',
      'hostnames-unrouted',
      aligned.unrouted,
      (list) => `No Ingress or HTTPRoute in ${site.cluster.namespace} has ${list}`,
      'Add the hosts to the route, or correct hosts in the site file.',
    );
    named(
      'error',
      'hostnames-without-tls',
      aligned.withoutTls.filter((host) => !aligned.unrouted.includes(host)),
      (list) => `No route ends TLS for ${list}`,
      'Add the hosts to the tls section of the Ingress or to a listener of the Gateway.',
    );
  }
  if (facts.certificates.ok && aligned.uncertified === null) {
    found.push(
      finding(
        site.hosts.issuer ? 'error' : 'warning',
        'cert-manager-missing',
        'The cluster has no cert-manager: nobody renews the certificates',
        'Install cert-manager, or keep the certificates by other means.',
      ),
    );
  }
  named(
    'error',
    'certificate-hosts',
    facts.certificates.ok ? (aligned.uncertified ?? []) : [],
    (list) => `No Certificate in ${site.cluster.namespace} names ${list}`,
    'Add the hosts to the dnsNames of the Certificate.',
  );
  named(
    'error',
    'certificate-weak',
    aligned.weakCertificates.map(({ name }) => name),
    (list) => `Certificate ${list} is not ready or ends within ${MINIMUM_DAYS_VALID} days`,
    "Look at the Certificate's events; renewal should have come before.",
  );
  if (facts.issuers.ok) {
    named(
      'error',
      'issuer-not-ready',
      aligned.issuersNotReady,
      (list) => `${list} does not exist or is not ready`,
      'Create the issuer, or correct hosts.issuer in the site file.',
    );
  }
  named(
    'error',
    'certificate-served',
    aligned.badlyServed,
    (list) => `The certificate served on port 443 for ${list} does not verify or ends too soon`,
    'Look at what the ingress serves; see the evidence of the criterion.',
  );
  named(
    'warning',
    'ingress-nginx-retired',
    aligned.retiredIngress,
    (list) => `Ingress ${list} goes through ingress-nginx, which was retired in March 2026`,
    'Plan the move to another controller or to Gateway API; it gets no security fixes.',
  );
  named(
    'warning',
    'ingress-other-class',
    aligned.otherClass,
    (list) => `Ingress ${list} is of another class than hosts.ingressClass`,
    'Correct the site file or the Ingress.',
  );
  return found;
}
