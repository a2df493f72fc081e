/** Every component of the sandbox. The order matters only where they could start in any order. */
import type { Component } from '../component.ts';
import { coredns } from './coredns.ts';
import { csi } from './csi.ts';
import { etcd } from './etcd.ts';
import { kubeApiserver } from './kube-apiserver.ts';
import { kubeControllerManager } from './kube-controller-manager.ts';
import { kubeProxy } from './kube-proxy.ts';
import { kubeScheduler } from './kube-scheduler.ts';
import { nodeNetwork } from './node-network.ts';
import { node } from './node.ts';
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
];
