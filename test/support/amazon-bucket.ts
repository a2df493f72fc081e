import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';

/** A bucket by Amazon's rules for object lock, as far as a catalogue meets them. */
export interface AmazonBucket {
  endpoint: string;
  /** Key of the keys that may not ask about object lock. */
  mayNotAsk: Set<string>;
  /** Whether anybody may delete. */
  mayDelete: boolean;
  /** Objects by key, and until when they are locked. */
  objects: Map<string, { text: string; lockedUntil: string | null }>;
  stop(): Promise<void>;
}

/**
 * What Amazon documents of `PutObject`: with a retention (of the request, or the bucket's default) the request must carry
 * `Content-MD5` or a checksum, which must be the body's; else 400 InvalidRequest, BadDigest.
 */
export async function startAmazonBucket({ lock }: { lock: boolean }): Promise<AmazonBucket> {
  const objects: AmazonBucket['objects'] = new Map();
  const bucket: AmazonBucket = {
    endpoint: '',
    mayNotAsk: new Set(),
    mayDelete: true,
    objects,
    stop,
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(request, Buffer.concat(chunks), response));
  });

  function answer(request: IncomingMessage, body: Buffer, response: ServerResponse) {
    const { method, headers, url = '' } = request;
    const { pathname, searchParams } = new URL(url, 'http://bucket');
    const key = decodeURIComponent(pathname).split('/').slice(2).join('/');
    const send = (status: number, text = '') => response.writeHead(status).end(text);
    const refuse = (status: number, code: string) =>
      send(status, `<Error><Code>${code}</Code></Error>`);
    if (searchParams.has('object-lock')) {
      const asker = /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1] ?? '';
      if (bucket.mayNotAsk.has(asker)) return refuse(403, 'AccessDenied');
      if (!lock) return refuse(404, 'ObjectLockConfigurationNotFoundError');
      const enabled = '<ObjectLockEnabled>Enabled</ObjectLockEnabled>';
      return send(200, `<ObjectLockConfiguration>${enabled}</ObjectLockConfiguration>`);
    }
    if (searchParams.has('versioning')) {
      return send(
        200,
        '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
      );
    }
    if (method === 'PUT') {
      const wrong = checksumOf(headers, body);
      if (wrong === 'BadDigest') return refuse(400, wrong);
      // A bucket that can lock has a default retention here.
      if (wrong === 'none' && lock) return refuse(400, 'InvalidRequest');
      const until = headers['x-amz-object-lock-retain-until-date'];
      if (until !== undefined && !lock) return refuse(400, 'InvalidRequest');
      objects.set(key, { text: body.toString(), lockedUntil: until?.toString() ?? null });
      return send(200);
    }
    if (searchParams.has('list-type')) {
      const prefix = searchParams.get('prefix') ?? '';
      const keys = [...objects.keys()].filter((one) => one.startsWith(prefix)).sort();
      const contents = keys.map((one) => `<Contents><Key>${one}</Key></Contents>`).join('');
      return send(200, `<ListBucketResult>${contents}</ListBucketResult>`);
    }
    if (searchParams.has('versions')) return refuse(501, 'NotImplemented');
    if (method === 'DELETE') {
      if (!bucket.mayDelete) return refuse(403, 'AccessDenied');
      objects.delete(key);
      return send(204);
    }
    const found = objects.get(key);
    return found === undefined ? refuse(404, 'NoSuchKey') : send(200, found.text);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  bucket.endpoint = `http://127.0.0.1:${port}`;
  return bucket;

  function stop() {
    return new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  }
}

/** `none` without a checksum, `BadDigest` with one that is not the body's. */
function checksumOf(
  headers: IncomingMessage['headers'],
  body: Buffer,
): 'none' | 'BadDigest' | 'ok' {
  const md5 = headers['content-md5'];
  const crc = headers['x-amz-checksum-crc32'];
  if (md5 === undefined && crc === undefined) return 'none';
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  const right =
    (md5 === undefined || md5 === createHash('md5').update(body).digest('base64')) &&
    (crc === undefined || crc === sum.toString('base64'));
  return right ? 'ok' : 'BadDigest';
}
