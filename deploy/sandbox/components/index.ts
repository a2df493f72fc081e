/** Every component of the sandbox. The order matters only where they could start in any order. */
import type { Component } from '../component.ts';
import { acme } from './acme.ts';
import { certManager } from './cert-manager.ts';
import { cloudflare } from './cloudflare.ts';
import { coredns } from './coredns.ts';
import { csi } from './csi.ts';
import { digitalocean } from './digitalocean.ts';
import { etcd } from './etcd.ts';
import { images } from './images.ts';
import { kubeApiserver } from './kube-apiserver.ts';
import { kubeControllerManager } from './kube-controller-manager.ts';
import { kubeProxy } from './kube-proxy.ts';
import { kubeScheduler } from './kube-scheduler.ts';
import { mysql } from './mysql.ts';
import { nodeNetwork } from './node-network.ts';
import { node } from './node.ts';
import { objectStorage } from './object-storage.ts';
import { registry } from './registry.ts';
import { temporal } from './temporal.ts';
import { traefik } from './traefik.ts';
import { vault } from './vault.ts';
import { workerAccess } from './worker-access.ts';

export const components: readonly Component[] = [
  nodeNetwork,
  etcd,
  kubeApiserver,
  kubeControllerManager,
  kubeScheduler,
  node,
  kubeProxy,
  coredns,
  csi,
  workerAccess,
  temporal,
  mysql,
  objectStorage,
  digitalocean,
  cloudflare,
  vault,
  traefik,
  certManager,
  registry,
  images,
  acme,
];
