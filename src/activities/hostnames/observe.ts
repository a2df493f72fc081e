import { lookup } from 'node:dns/promises';
import type { KubernetesObject } from '@kubernetes/client-node';
import type {
  CertificateFact,
  HostnameFacts,
  IssuerFact,
  Measured,
  RouteFact,
} from '../../domain/prerequisite-facts.ts';
import type { Site } from '../../domain/site/schema.ts';
import { errorCode } from '../failure.ts';
import { measured } from '../prerequisites/measured.ts';
import { listObjects, readObject, type KubernetesObjects } from '../secrets/kubernetes-objects.ts';
import { servedCertificate, type ServedOptions } from './served.ts';

export interface HostnameDeps {
  objects: KubernetesObjects;
  now: () => Date;
  /** How port 443 is asked; for tests. */
  served?: ServedOptions;
}

/** An object whose shape no client library knows, or of which only a little is read. */
interface Loose extends KubernetesObject {
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
}

/** Observes everything around the site's host names; read-only. Wildcard names are not asked over the network. */
export async function observeHostnames(deps: HostnameDeps, site: Site): Promise<HostnameFacts> {
  const { objects } = deps;
  const { namespace } = site.cluster;
  const hosts = site.hosts.names;
  const concrete = hosts.filter((host) => !host.startsWith('*.'));
  const certificates = await measured(() => readCertificates(objects, namespace));
  const routes = await measured(() => readRoutes(objects, namespace));
  return {
    hosts,
    addresses: await Promise.all(concrete.map(addressesOf)),
    routes,
    certificates,
    issuers: await measured(() => readIssuers(objects, site, certificates)),
    ingressClasses: await measured(() => readIngressClasses(objects)),
    served: await Promise.all(
      concrete.map((host) => servedCertificate(host, deps.now(), deps.served)),
    ),
  };
}

async function addressesOf(host: string) {
  try {
    const found = await lookup(host, { all: true });
    return { host, addresses: found.map(({ address }) => address).sort(), error: null };
  } catch (error) {
    return { host, addresses: [], error: errorCode(error) ?? 'no answer' };
  }
}

async function readRoutes(objects: KubernetesObjects, namespace: string): Promise<RouteFact[]> {
  const ingresses = await listObjects<Loose>(objects, 'networking.k8s.io/v1', 'Ingress', namespace);
  const httpRoutes = await listObjects<Loose>(
    objects,
    'gateway.networking.k8s.io/v1',
    'HTTPRoute',
    namespace,
  );
  const gateways = new Map<string, Promise<Loose | null>>();
  const gatewayOf = (parent: ParentRef) => {
    const where = parent.namespace ?? namespace;
    const key = `${where}/${parent.name}`;
    const found =
      gateways.get(key) ??
      readObject<Loose>(objects, 'gateway.networking.k8s.io/v1', 'Gateway', where, parent.name);
    gateways.set(key, found);
    return found;
  };
  return [
    ...(ingresses ?? []).map(ingressFact),
    ...(await Promise.all((httpRoutes ?? []).map((route) => httpRouteFact(route, gatewayOf)))),
  ];
}

function ingressFact(ingress: Loose): RouteFact {
  const spec = ingress.spec as
    | {
        ingressClassName?: string;
        rules?: { host?: string }[];
        tls?: { hosts?: string[]; secretName?: string }[];
      }
    | undefined;
  return {
    kind: 'Ingress',
    name: ingress.metadata?.name ?? '',
    hosts: (spec?.rules ?? []).map(({ host }) => host ?? '*'),
    via:
      spec?.ingressClassName ??
      ingress.metadata?.annotations?.['kubernetes.io/ingress.class'] ??
      null,
    tls: (spec?.tls ?? []).map(({ hosts, secretName }) => ({
      hosts: hosts ?? [],
      secretName: secretName ?? null,
    })),
  };
}

interface ParentRef {
  name: string;
  namespace?: string;
  kind?: string;
}

interface Listener {
  hostname?: string;
  tls?: { certificateRefs?: { name: string }[] };
}

async function httpRouteFact(
  route: Loose,
  gatewayOf: (parent: ParentRef) => Promise<Loose | null>,
): Promise<RouteFact> {
  const spec = route.spec as { hostnames?: string[]; parentRefs?: ParentRef[] } | undefined;
  const parents = (spec?.parentRefs ?? []).filter(({ kind }) => (kind ?? 'Gateway') === 'Gateway');
  const gateways = await Promise.all(parents.map(gatewayOf));
  const listeners = gateways.flatMap((gateway) => (gateway?.spec?.listeners ?? []) as Listener[]);
  const secured = listeners.filter(({ tls }) => tls !== undefined);
  return {
    kind: 'HTTPRoute',
    name: route.metadata?.name ?? '',
    hosts: spec?.hostnames ?? ['*'],
    via: parents[0]?.name ?? null,
    tls: secured.map(({ hostname, tls }) => ({
      hosts: [hostname ?? '*'],
      secretName: tls?.certificateRefs?.[0]?.name ?? null,
    })),
  };
}

async function readCertificates(
  objects: KubernetesObjects,
  namespace: string,
): Promise<CertificateFact[] | null> {
  const found = await listObjects<Loose>(objects, 'cert-manager.io/v1', 'Certificate', namespace);
  return (
    found?.map((certificate) => {
      const spec = certificate.spec as {
        dnsNames?: string[];
        commonName?: string;
        secretName?: string;
        issuerRef?: { kind?: string; name?: string };
      };
      const notAfter = certificate.status?.notAfter;
      return {
        name: certificate.metadata?.name ?? '',
        dnsNames: spec.dnsNames ?? [],
        secretName: spec.secretName ?? '',
        ready: isReady(certificate),
        notAfter: notAfter ? new Date(notAfter as string).toISOString() : null,
        issuer: { kind: spec.issuerRef?.kind ?? 'Issuer', name: spec.issuerRef?.name ?? '' },
      };
    }) ?? null
  );
}

async function readIssuers(
  objects: KubernetesObjects,
  site: Site,
  certificates: Measured<CertificateFact[] | null>,
): Promise<IssuerFact[]> {
  const wanted = new Map<string, { kind: string; name: string }>();
  const want = (kind: string, name: string) => wanted.set(`${kind}/${name}`, { kind, name });
  if (site.hosts.issuer) want('ClusterIssuer', site.hosts.issuer);
  if (certificates.ok) {
    for (const { issuer } of certificates.value ?? []) want(issuer.kind, issuer.name);
  }
  const found: IssuerFact[] = [];
  for (const { kind, name } of wanted.values()) {
    const namespace = kind === 'ClusterIssuer' ? null : site.cluster.namespace;
    const issuer = await readObject<Loose>(objects, 'cert-manager.io/v1', kind, namespace, name);
    if (issuer) found.push({ kind, name, ready: isReady(issuer) });
  }
  return found;
}

async function readIngressClasses(objects: KubernetesObjects) {
  const found = await listObjects<Loose>(objects, 'networking.k8s.io/v1', 'IngressClass');
  return (found ?? []).map((ingressClass) => ({
    name: ingressClass.metadata?.name ?? '',
    controller: (ingressClass.spec?.controller as string | undefined) ?? '',
  }));
}

function isReady(object: Loose): boolean {
  const conditions = (object.status?.conditions ?? []) as { type?: string; status?: string }[];
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}
