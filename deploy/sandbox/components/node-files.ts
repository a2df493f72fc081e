/** Settings files of the node: containerd, its network and the kubelet. */
import { join } from 'node:path';
import type { KubernetesObject } from '@kubernetes/client-node';
import { healthPorts } from '../listeners.ts';
import type { CertificateFiles } from '../pki.ts';
import { endpoints, network, paths } from '../settings.ts';
import { clusterDomain } from './kubernetes-parts.ts';
import { volumePluginDir } from './kube-controllers.ts';

const home = paths.kubernetes;

/** Where the node's programs have their files; sockets are short because their names are limited. */
export const nodePaths = {
  containerdConfig: join(home, 'containerd.toml'),
  containerdRoot: join(home, 'containerd'),
  /** On the node's own /run: as after a boot, nothing of the last run is in it. */
  containerdState: '/run/containerd/sandbox',
  containerdSocket: join(home, 'containerd.sock'),
  registryHosts: join(home, 'registry-hosts'),
  networkConfig: join(home, 'cni'),
  kubeletConfig: join(home, 'kubelet.yaml'),
  kubeletRoot: join(home, 'kubelet'),
  podLogs: join(home, 'pod-logs'),
  resolvConf: join(home, 'resolv.conf'),
} as const;

/** cgroup below which all pods are, so that they can be told from those of another cluster and removed. */
export const cgroupRoot = '/presslift';

/** Programs write here under fixed names; in the node's mount namespace each is a folder of its own. */
export const privateFolders = [
  '/run/containerd',
  '/run/netns',
  '/var/lib/cni',
  '/var/lib/kubelet',
  '/var/log/containers',
] as const;

/** Image of the container that holds a pod's namespaces. */
export const pauseImage = `${endpoints.registry}/presslift/pause:1`;

/** containerd's settings. */
export function containerdSettings(runc: string, cniPrograms: string): string {
  return `version = 2
root = "${nodePaths.containerdRoot}"
state = "${nodePaths.containerdState}"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
]

[grpc]
  address = "${nodePaths.containerdSocket}"

[ttrpc]
  address = "${nodePaths.containerdSocket}.ttrpc"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # In a container or a small virtual machine these may not be changed, or are not there.
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "${runc}"
        SystemdCgroup = false

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPrograms}"
    conf_dir = "${nodePaths.networkConfig}"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "${nodePaths.registryHosts}"
`;
}

/** The sandbox's registry is on this machine and speaks plain HTTP. */
export const registryHostsFile = join(nodePaths.registryHosts, endpoints.registry, 'hosts.toml');

export const registryHostsSettings = `server = "http://${endpoints.registry}"

[host."http://${endpoints.registry}"]
  capabilities = ["pull", "resolve"]
`;

/**
 * The pods' network: a port of the bridge each. No masquerading here: the node-network component has one rule for all,
 * where this plugin would leave one for every pod that did not end in order. Leases are on the node's own /var/lib/cni.
 */
export const networkSettings = JSON.stringify(
  {
    cniVersion: '0.4.0',
    name: 'presslift',
    plugins: [
      {
        type: 'bridge',
        bridge: network.bridge,
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          ranges: [[{ subnet: network.podCidr, rangeStart: '10.85.0.10' }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  },
  null,
  2,
);

/** The kubelet's settings. */
export function kubeletSettings(authority: string, server: CertificateFiles): KubernetesObject {
  const settings = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: network.nodeAddress,
    healthzPort: healthPorts.kubelet,
    tlsCertFile: server.certFile,
    tlsPrivateKeyFile: server.keyFile,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: authority },
    },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: `unix://${nodePaths.containerdSocket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot,
    // Many machines that people have still boot with cgroup v1.
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    enforceNodeAllocatable: ['pods'],
    clusterDNS: [network.nodeAddress],
    clusterDomain,
    resolvConf: nodePaths.resolvConf,
    podLogsDir: nodePaths.podLogs,
    volumePluginDir,
    serializeImagePulls: false,
    // The sandbox's images are imported once: none is ever collected.
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1Gi',
      'imagefs.available': '1Gi',
      'nodefs.inodesFree': '1%',
    },
    syncFrequency: '10s',
    shutdownGracePeriod: '0s',
  };
  return settings;
}
