/** The driver's name in the cluster; RFC 1123, never changed: volumes carry it. */
export const driverName = 'hostpath.csi.presslift.test';

/** Parameter of a StorageClass: `single` refuses modes with several nodes, `shared` allows them. */
export const accessModesParameter = 'accessModes';
