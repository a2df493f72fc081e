import { createHash, createHmac } from 'node:crypto';

export interface SigningKey {
  accessKey: string;
  secretKey: string;
}

export interface RequestToSign {
  method: string;
  url: URL;
  body: string;
  /** Content type; signed as well. */
  contentType: string;
  service: string;
  region: string;
  now: Date;
}

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer =>
  createHmac('sha256', key).update(data).digest();

/**
 * Headers of a request signed with AWS Signature Version 4 (signed headers: content-type, host, x-amz-date).
 * Only for paths without characters that would need encoding and without a query string.
 */
export function signedHeaders(
  { method, url, body, contentType, service, region, now }: RequestToSign,
  key: SigningKey,
): Record<string, string> {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
  const signed = 'content-type;host;x-amz-date';
  const canonicalRequest = [
    ...[method, url.pathname, ''],
    ...[`content-type:${contentType}`, `host:${url.host}`, `x-amz-date:${time}`, ''],
    ...[signed, sha256(body)],
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonicalRequest)].join('\n');
  const signingKey = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${key.secretKey}`);
  const signature = hmac(signingKey, toSign).toString('hex');
  const credential = `Credential=${key.accessKey}/${scope}`;
  return {
    'content-type': contentType,
    'x-amz-date': time,
    authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signed}, Signature=${signature}`,
  };
}
