import type { V1PersistentVolumeClaim } from '@kubernetes/client-node';
import type { Site } from '../site/schema.ts';
import { hybridNames, managedLabels, OPERATION_LABEL } from './names.ts';
import { provisionedClass, staticVolumeName } from './provisioner.ts';

/** The storage class of the shared claim; undefined for the cluster's default. */
export function sharedClass(site: Site): string | undefined {
  return site.storage.sharedClaim.storageClass ?? provisionedClass(site);
}

/** The claim that every pod shares. */
export function sharedClaim(site: Site, operation: string | null = null): V1PersistentVolumeClaim {
  const volumeName = staticVolumeName(site);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: hybridNames(site).sharedClaim,
      namespace: site.cluster.namespace,
      labels: {
        ...managedLabels(site, 'shared-claim'),
        ...(operation === null ? {} : { [OPERATION_LABEL]: operation }),
      },
    },
    spec: {
      accessModes: ['ReadWriteMany'],
      resources: { requests: { storage: site.storage.sharedClaim.size } },
      ...(sharedClass(site) !== undefined && { storageClassName: sharedClass(site) }),
      ...(volumeName !== null && { volumeName }),
    },
  };
}
