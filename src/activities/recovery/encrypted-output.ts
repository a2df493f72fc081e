import { createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { failure } from '../failure.ts';

/**
 * What must not stand in a log, which is how more than a few lines leave a Job: the script encrypts it with `encrypt` of its
 * library, under a key that only this Job and this worker have.
 */

/** A key for one Job; the file `key` among its secrets. */
export const outputKey = () => randomBytes(32).toString('hex');

/**
 * What `encrypt` wrote.
 * @throws Unavailable when the Job was one of an earlier attempt, with that attempt's key; it is gone now.
 */
export function opened(encrypted: string, key: string, what: string): Buffer {
  try {
    return gunzipSync(decrypted(Buffer.from(encrypted, 'base64'), key));
  } catch {
    throw failure('Unavailable', `${what} could not be decrypted`);
  }
}

/** What `openssl enc -aes-256-cbc -pbkdf2 -iter 10000 -md sha256` wrote: `Salted__`, eight bytes of salt, the rest. */
function decrypted(data: Buffer, password: string): Buffer {
  const derived = pbkdf2Sync(password, data.subarray(8, 16), 10_000, 48, 'sha256');
  const decipher = createDecipheriv('aes-256-cbc', derived.subarray(0, 32), derived.subarray(32));
  return Buffer.concat([decipher.update(data.subarray(16)), decipher.final()]);
}
