/** The site that the roadmap is tried on, as it is before the roadmap. */
import { ensureForeignRules } from '../acme/cdn.ts';
import { helloDollySource } from '../acme/plugins.ts';
import { presentSite, setUpSite, siteAnswers } from '../acme/site.ts';
import type { Component } from '../component.ts';
import { kube } from '../kube.ts';
import { paths } from '../settings.ts';

export const acme: Component = {
  name: 'acme',
  title: 'WordPress site acme',
  needs: [
    ...['node', 'kube-proxy', 'coredns', 'csi', 'worker-access'],
    ...['images', 'mysql', 'traefik', 'cert-manager', 'cloudflare'],
  ],
  readyTimeoutSeconds: 120,
  async build(context) {
    await helloDollySource(paths.cache, context.signal);
  },
  async start(context) {
    const cluster = await kube();
    // Once it is there it is the operator's: what the roadmap changed in it is not changed back.
    const { credentials, signal } = context;
    await ensureForeignRules(credentials);
    if ((await presentSite(cluster)) !== undefined) return;
    await setUpSite({ cluster, credentials, signal, progress: (line) => context.progress(line) });
  },
  async ready() {
    return (await presentSite(await kube())) !== undefined && (await siteAnswers());
  },
  stop: async () => undefined,
};
