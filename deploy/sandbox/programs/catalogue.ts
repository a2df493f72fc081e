/**
 * The Go programs of the sandbox: what each is built from and what comes out.
 *
 * Every program is a folder beside this file with its own `go.mod` and `go.sum`, because in one
 * module the programs would raise each other's dependencies to versions that do not compile. The
 * folder's `go.mod` pins the version; the `version` here is the same, for people and for reports.
 */

/** Files to copy out of a Go module, as the module's version of them belongs to the program. */
export interface ModuleFiles {
  /** Module path, required by the program's go.mod. */
  readonly module: string;
  /** Path in the module: a file, or a folder whose matching files are taken. */
  readonly from: string;
  /** Name in the output: of the file, or of the folder. */
  readonly to: string;
  /** Which files of a folder to take. */
  readonly match?: RegExp;
  /** How many files must be found: a changed module layout should fail the build, not the cluster. */
  readonly count: number;
}

/** One program, or a few that share their dependencies. */
export interface GoProgram {
  readonly version: string;
  /** Binary to the Go package it is built from; `.` is the main package in the program's folder. */
  readonly binaries: Readonly<Record<string, string>>;
  /** Symbolic links to make beside the binaries: link to binary. */
  readonly links?: Readonly<Record<string, string>>;
  readonly ldflags: string;
  readonly files?: readonly ModuleFiles[];
  /** CPU seconds of a build with cold caches: decides the order, and what a progress bar says. */
  readonly cpuSeconds: number;
}

/** Without symbol table and debug information: half the size, nothing missed here. */
const stripped = '-s -w';

/** Linker flags that set string variables. */
function variables(values: Readonly<Record<string, string>>): string {
  const flags = Object.entries(values).map(([name, value]) => `-X ${name}=${value}`);
  return [stripped, ...flags].join(' ');
}

/** Kubernetes reads its version from two packages, and kubectl compares the two sides' versions. */
function kubernetesVersion(version: string): Record<string, string> {
  const [major = '', minor = ''] = version.replace(/^v/, '').split('.');
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  return Object.fromEntries(
    packages.flatMap((name) =>
      Object.entries(values).map(([variable, value]) => [`${name}.${variable}`, value]),
    ),
  );
}

export const catalogue = {
  kubernetes: {
    version: 'v1.35.4',
    binaries: { kubeall: '.' },
    links: {
      'kube-apiserver': 'kubeall',
      'kube-controller-manager': 'kubeall',
      'kube-proxy': 'kubeall',
      'kube-scheduler': 'kubeall',
      kubectl: 'kubeall',
      kubelet: 'kubeall',
    },
    ldflags: variables(kubernetesVersion('v1.35.4')),
    cpuSeconds: 420,
  },
  traefik: {
    version: 'v3.6.12',
    binaries: { traefik: 'github.com/traefik/traefik/v3/cmd/traefik' },
    ldflags: variables({ 'github.com/traefik/traefik/v3/pkg/version.Version': '3.6.12' }),
    cpuSeconds: 530,
  },
  temporal: {
    version: 'v1.5.1',
    binaries: { temporal: 'github.com/temporalio/cli/cmd/temporal' },
    ldflags: variables({ 'github.com/temporalio/cli/temporalcli.Version': '1.5.1' }),
    cpuSeconds: 300,
  },
  k6: {
    version: 'v1.8.1',
    binaries: { k6: 'go.k6.io/k6' },
    ldflags: stripped,
    cpuSeconds: 280,
  },
  'cert-manager': {
    version: 'v1.21.2',
    binaries: { 'cert-manager': '.' },
    ldflags: variables({ 'github.com/cert-manager/cert-manager/pkg/util.AppVersion': 'v1.21.2' }),
    files: [
      {
        module: 'github.com/cert-manager/cert-manager',
        from: 'deploy/crds',
        to: 'crds',
        match: /\.yaml$/,
        count: 6,
      },
    ],
    cpuSeconds: 240,
  },
  snapshot: {
    version: 'v8.7.0',
    binaries: {
      'csi-snapshotter': 'github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter',
      'snapshot-controller':
        'github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller',
    },
    ldflags: variables({ 'main.version': 'v8.7.0' }),
    files: [
      {
        // All six: without the three of group snapshots the controller waits 30 s for them.
        module: 'github.com/kubernetes-csi/external-snapshotter/client/v8',
        from: 'config/crd',
        to: 'crds',
        match: /snapshot\.storage\.k8s\.io_.*\.yaml$/,
        count: 6,
      },
    ],
    cpuSeconds: 285,
  },
  coredns: {
    version: 'v1.15.0',
    binaries: { coredns: '.' },
    ldflags: stripped,
    cpuSeconds: 150,
  },
  versitygw: {
    version: 'v1.8.0',
    binaries: { versitygw: 'github.com/versity/versitygw/cmd/versitygw' },
    ldflags: variables({ 'main.Version': 'v1.8.0' }),
    cpuSeconds: 120,
  },
  'csi-provisioner': {
    version: 'v6.4.0',
    binaries: {
      'csi-provisioner': 'github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner',
    },
    ldflags: variables({ 'main.version': 'v6.4.0' }),
    cpuSeconds: 65,
  },
  etcd: {
    version: 'v3.6.16',
    binaries: { etcd: 'go.etcd.io/etcd/server/v3' },
    ldflags: stripped,
    cpuSeconds: 45,
  },
  /** No program: the protocol files a CSI driver written in another language loads. */
  'csi-protos': {
    version: 'v1.13.0',
    binaries: {},
    ldflags: '',
    files: [
      {
        module: 'github.com/container-storage-interface/spec',
        from: 'csi.proto',
        to: 'csi.proto',
        count: 1,
      },
      {
        module: 'k8s.io/kubelet',
        from: 'pkg/apis/pluginregistration/v1/api.proto',
        to: 'pluginregistration.proto',
        count: 1,
      },
    ],
    cpuSeconds: 0,
  },
} as const satisfies Record<string, GoProgram>;

/** Name of a program in the catalogue, and of its folder. */
export type GoProgramName = keyof typeof catalogue;

/** All names, the longest build first: begun last, it would leave the other cores idle at the end. */
export const goProgramNames: readonly GoProgramName[] = (
  Object.keys(catalogue) as GoProgramName[]
).sort((a, b) => catalogue[b].cpuSeconds - catalogue[a].cpuSeconds);

/** The catalogue's entry for a name. */
export function goProgram(name: GoProgramName): GoProgram {
  return catalogue[name];
}
