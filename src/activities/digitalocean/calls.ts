import type { DigitalOceanClient } from './dots.js';

/** What the groups of calls share. */
export interface Calls {
  v2: DigitalOceanClient['v2'];
  /**
   * One attempt of one request, errors mapped to the table of failures.
   *
   * @param what names the thing in an error's message
   * @param options `gone`: what a 404 counts as, where a missing thing is no error
   */
  call: <T>(what: string, request: () => Promise<T>, options?: { gone: T }) => Promise<T>;
}
