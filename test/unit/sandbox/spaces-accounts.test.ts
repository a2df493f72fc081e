import { expect, test } from 'vitest';
import { signedHeaders } from '../../../deploy/sandbox/stand-ins/aws-signature.ts';
import { policyStatements } from '../../../deploy/sandbox/stand-ins/digitalocean/spaces-accounts.ts';

/** The key and time are those of the published examples of AWS Signature Version 4; the value was computed apart from this code. */
test('a request is signed', () => {
  const headers = signedHeaders(
    {
      ...{ method: 'POST', url: new URL('https://iam.amazonaws.com/'), service: 'iam' },
      ...{ body: 'Action=ListUsers&Version=2010-05-08', region: 'us-east-1' },
      contentType: 'application/x-www-form-urlencoded; charset=utf-8',
      now: new Date('2015-08-30T12:36:00Z'),
    },
    { accessKey: 'AKIDEXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
  );
  expect(headers['x-amz-date']).toBe('20150830T123600Z');
  expect(headers['authorization']).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d76d0de3e0ffe5a7a23cfce21b99d6f4e5060aad86bd9dc7c617f224e5b492a',
  );
});

test('a limited key reaches the objects of its bucket and no settings', () => {
  const statements = policyStatements([{ bucket: 'acme-media', permission: 'readwrite' }]);
  expect(statements.flatMap(({ Resource }) => Resource)).toEqual([
    'arn:aws:s3:::acme-media',
    'arn:aws:s3:::acme-media/*',
  ]);
  const actions = statements.flatMap(({ Action }) => Action);
  expect(actions).toEqual(
    expect.arrayContaining(['s3:PutObject', 's3:DeleteObject', 's3:ListBucket']),
  );
  expect(actions.filter((action) => /Policy|Cors|Versioning|\*|CreateBucket/.test(action))).toEqual(
    [],
  );
});

test('a reading key cannot write', () => {
  const [, objects] = policyStatements([{ bucket: 'acme-media', permission: 'read' }]);
  expect(objects?.Action.filter((action) => /Put|Delete|Abort/.test(action))).toEqual([]);
});

test('full access is everything, and no permission is nothing', () => {
  expect(policyStatements([{ bucket: '', permission: 'fullaccess' }])[0]?.Resource).toEqual(['*']);
  expect(policyStatements([{ bucket: 'acme-media', permission: '' }])).toEqual([]);
});
