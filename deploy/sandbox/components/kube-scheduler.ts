export { kubeScheduler } from './kube-controllers.ts';
