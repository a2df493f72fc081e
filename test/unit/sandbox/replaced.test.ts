import { describe, expect, it } from 'vitest';
import { givenEndpoints, remaining, replacedComponents } from '../../../deploy/sandbox/replaced.ts';
import { endpoints, paths } from '../../../deploy/sandbox/settings.ts';

const components = [
  { name: 'node-network', needs: [] },
  { name: 'etcd', needs: [] },
  { name: 'kube-apiserver', needs: ['etcd', 'node-network'] },
  { name: 'mysql', needs: ['node-network'] },
  { name: 'temporal', needs: [] },
  { name: 'cert-manager', needs: ['kube-apiserver'] },
  { name: 'acme', needs: ['cert-manager', 'mysql'] },
  { name: 'demo', needs: ['temporal'] },
];

describe('endpoints that the user gives', () => {
  it('are none in an empty environment', () => {
    expect(givenEndpoints({})).toEqual({});
    expect(replacedComponents(components, givenEndpoints({}))).toEqual(new Map());
  });

  it("are not the sandbox's own, as its environment file sets them", () => {
    const environment = {
      TEMPORAL_ADDRESS: endpoints.temporal,
      KUBECONFIG: paths.workerKubeconfig,
    };
    expect(givenEndpoints(environment)).toEqual({});
  });

  it('replace Temporal alone, and who needs it starts all the same', () => {
    const replaced = replacedComponents(components, { temporalAddress: 'temporal.test:7233' });
    expect([...replaced.keys()]).toEqual(['temporal']);
    expect(remaining(components, replaced)).toContainEqual({ name: 'demo', needs: [] });
  });

  it('replace the cluster with everything that would be installed into it', () => {
    const replaced = replacedComponents(components, { kubeconfig: '/home/me/.kube/config' });
    expect([...replaced.keys()]).toEqual(['etcd', 'kube-apiserver', 'cert-manager', 'acme']);
    const left = remaining(components, replaced).map(({ name }) => name);
    expect(left).toEqual(['node-network', 'mysql', 'temporal', 'demo']);
  });
});
