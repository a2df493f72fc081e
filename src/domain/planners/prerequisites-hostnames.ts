import type {
  CertificateFact,
  HostnameFacts,
  IssuerFact,
  RouteFact,
} from '../prerequisite-facts.ts';
import type { Site } from '../site/schema.ts';

/** A certificate that ends sooner than this is not "valid": renewal should have come before. */
export const MINIMUM_DAYS_VALID = 21;

/** Controller of the ingress-nginx project, which was retired in March 2026. */
const INGRESS_NGINX = 'k8s.io/ingress-nginx';

/** Whole days from `now` to `end`, negative when it has passed. */
export function daysUntil(end: Date, now: Date): number {
  return Math.floor((end.getTime() - now.getTime()) / 86_400_000);
}

/** Whether a name with or without a wildcard in its first label covers a host (RFC 6125: one label only). */
export function nameCovers(name: string, host: string): boolean {
  const [a, b] = [name.toLowerCase(), host.toLowerCase()];
  if (a === b || a === '*') return true;
  if (!a.startsWith('*.')) return false;
  const dot = b.indexOf('.');
  return dot > 0 && b.slice(dot) === a.slice(1);
}

/** The hosts that none of the names covers. */
export function uncovered(names: string[], hosts: string[]): string[] {
  return hosts.filter((host) => !names.some((name) => nameCovers(name, host)));
}

/** How host names, routes and certificates fit together. */
export interface HostnameAlignment {
  unresolved: string[];
  unrouted: string[];
  /** Hosts that no route ends TLS for. */
  withoutTls: string[];
  /** Hosts that no certificate of cert-manager names; null when cert-manager is not there. */
  uncertified: string[] | null;
  /** Certificates of these hosts that are not ready or end too soon. */
  weakCertificates: { name: string; ready: boolean; daysLeft: number | null }[];
  /** Issuers of these certificates, and the one of the plan, that are missing or not ready. */
  issuersNotReady: string[];
  /** Hosts whose served certificate does not verify or ends too soon. */
  badlyServed: string[];
  /** Routes of the site that go through ingress-nginx. */
  retiredIngress: string[];
  /** Routes of the site that go through another class than the site file names. */
  otherClass: string[];
}

/** Compares everything with the site's hosts. What could not be measured counts as missing. */
export function alignHostnames(site: Site, facts: HostnameFacts, today: string): HostnameAlignment {
  const hosts = site.hosts.names;
  const now = new Date(today);
  // A wildcard cannot be asked for over the network.
  const concrete = hosts.filter((host) => !host.startsWith('*.'));
  const routes = facts.routes.ok ? facts.routes.value : [];
  const ours = routes.filter((route) => overlaps(route.hosts, hosts));
  const known = facts.certificates.ok ? facts.certificates.value : [];
  const certificates = (known ?? []).filter(({ dnsNames }) => overlaps(dnsNames, hosts));
  const tlsHosts = ours.flatMap(({ tls }) => tls.flatMap((entry) => entry.hosts));
  return {
    unresolved: concrete.filter(
      (host) => !facts.addresses.some((fact) => fact.host === host && fact.addresses.length > 0),
    ),
    unrouted: uncovered(
      ours.flatMap((route) => route.hosts),
      hosts,
    ),
    withoutTls: uncovered(tlsHosts, hosts),
    uncertified:
      known === null
        ? null
        : uncovered(
            certificates.flatMap(({ dnsNames }) => dnsNames),
            hosts,
          ),
    weakCertificates: certificates
      .map(({ name, ready, notAfter }) => ({
        name,
        ready,
        daysLeft: notAfter === null ? null : daysUntil(new Date(notAfter), now),
      }))
      .filter(({ ready, daysLeft }) => !ready || (daysLeft ?? 0) <= MINIMUM_DAYS_VALID),
    issuersNotReady: issuersNotReady(
      site,
      certificates,
      facts.issuers.ok ? facts.issuers.value : [],
    ),
    badlyServed: concrete.filter(
      (host) =>
        !facts.served.some(
          (fact) =>
            fact.host === host && fact.verified && (fact.daysLeft ?? 0) > MINIMUM_DAYS_VALID,
        ),
    ),
    retiredIngress: ours.filter((route) => usesIngressNginx(route, facts)).map(({ name }) => name),
    otherClass: ours
      .filter(
        ({ kind, via }) =>
          kind === 'Ingress' &&
          site.hosts.ingressClass !== undefined &&
          via !== site.hosts.ingressClass,
      )
      .map(({ name }) => name),
  };
}

function overlaps(names: string[], hosts: string[]): boolean {
  return names.some((name) => hosts.some((host) => nameCovers(name, host)));
}

function issuersNotReady(
  site: Site,
  certificates: CertificateFact[],
  issuers: IssuerFact[],
): string[] {
  const wanted = new Set(certificates.map(({ issuer }) => `${issuer.kind} ${issuer.name}`));
  if (site.hosts.issuer) wanted.add(`ClusterIssuer ${site.hosts.issuer}`);
  return [...wanted].filter(
    (name) => !issuers.some((issuer) => `${issuer.kind} ${issuer.name}` === name && issuer.ready),
  );
}

function usesIngressNginx(route: RouteFact, facts: HostnameFacts): boolean {
  if (route.kind !== 'Ingress' || !facts.ingressClasses.ok) return false;
  const controllerOf = facts.ingressClasses.value.find(({ name }) => name === route.via);
  return (
    (controllerOf?.controller ?? (route.via === 'nginx' ? INGRESS_NGINX : '')) === INGRESS_NGINX
  );
}
