export { kubeControllerManager } from './kube-controllers.ts';
