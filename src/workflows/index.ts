/** Every workflow type, under the name that the Web UI shows. */
export { hybridStorage } from './hybridStorage.ts';
export { prerequisites } from './prerequisites.ts';
export { roadmap } from './roadmap.ts';
export { siteLock } from './siteLock.ts';
