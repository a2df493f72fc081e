import type { Finding, FindingLevel } from '../plan.ts';
import type { HostnameFacts } from '../prerequisite-facts.ts';
import type { Site } from '../site/schema.ts';
import { finding } from './finding.ts';
import { alignHostnames, MINIMUM_DAYS_VALID } from './prerequisites-hostnames.ts';

/** What is wrong with host names, routes and certificates. */
export function hostnameFindings(site: Site, facts: HostnameFacts, today: string): Finding[] {
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
