/**
 * Spaces keys as real accounts of the object storage: one IAM user with one access key and one policy for each. The
 * policy allows what Spaces allows a limited key: objects of the granted buckets, not the buckets' settings.
 */
import { randomUUID } from 'node:crypto';
import type { SigningKey } from '../aws-signature.ts';
import { signedHeaders } from '../aws-signature.ts';

/** What a key may do in one bucket; `fullaccess` goes with an empty bucket name and means all of them. */
export interface Grant {
  bucket: string;
  permission: string;
}

export interface IssuedAccount {
  accessKey: string;
  secretKey: string;
  /** Name of the user behind the key, needed to remove it. */
  userName: string;
}

/** Makes and removes the accounts behind Spaces keys. */
export interface SpacesAccounts {
  create(grants: readonly Grant[]): Promise<IssuedAccount>;
  /** A missing account is no error. */
  remove(account: { accessKey: string; userName: string }): Promise<void>;
}

const readObjects = [
  's3:GetObject',
  's3:GetObjectAcl',
  's3:GetObjectAttributes',
  's3:GetObjectTagging',
  's3:GetObjectVersion',
  's3:GetObjectVersionTagging',
];
const writeObjects = [
  's3:AbortMultipartUpload',
  's3:DeleteObject',
  's3:DeleteObjectTagging',
  's3:DeleteObjectVersion',
  's3:ListMultipartUploadParts',
  's3:PutObject',
  's3:PutObjectAcl',
  's3:PutObjectTagging',
];
const readBucket = ['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketVersions'];
const writeBucket = ['s3:ListBucketMultipartUploads'];

interface Statement {
  Effect: 'Allow';
  Action: string[];
  Resource: string[];
}

/** The IAM policy of a key. Without a grant that means anything the list of statements is empty. */
export function policyStatements(grants: readonly Grant[]): Statement[] {
  return grants.flatMap(({ bucket, permission }): Statement[] => {
    const writes = permission === 'readwrite';
    switch (permission) {
      case 'fullaccess':
        return [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['*'] }];
      case 'read':
      case 'readwrite':
        return [
          {
            Effect: 'Allow',
            Action: [...readBucket, ...(writes ? writeBucket : [])],
            Resource: [`arn:aws:s3:::${bucket}`],
          },
          {
            Effect: 'Allow',
            Action: [...readObjects, ...(writes ? writeObjects : [])],
            Resource: [`arn:aws:s3:::${bucket}/*`],
          },
        ];
      default:
        return [];
    }
  });
}

/** An answer of the IAM API other than success. */
export class IamError extends Error {
  override name = 'IamError';
  readonly code: string;

  constructor(action: string, status: number, code: string) {
    super(`IAM ${action} was answered with ${status} ${code}`);
    this.code = code;
  }
}

/** Accounts by the IAM API of the sandbox's object storage. */
export function createSpacesAccounts(options: {
  /** Address of the IAM API. */
  endpoint: string;
  root: SigningKey;
}): SpacesAccounts {
  async function call(action: string, parameters: Record<string, string>): Promise<string> {
    const url = new URL('/', options.endpoint);
    const body = new URLSearchParams({ Action: action, Version: '2010-05-08', ...parameters });
    const headers = signedHeaders(
      {
        ...{ method: 'POST', url, body: body.toString(), now: new Date() },
        contentType: 'application/x-www-form-urlencoded; charset=utf-8',
        ...{ service: 'iam', region: 'us-east-1' },
      },
      options.root,
    );
    const signal = AbortSignal.timeout(10_000);
    const answer = await fetch(url, { method: 'POST', headers, body: body.toString(), signal });
    const text = await answer.text();
    if (answer.ok) return text;
    throw new IamError(action, answer.status, element(text, 'Code') ?? 'without a code');
  }

  async function callIgnoringMissing(action: string, parameters: Record<string, string>) {
    try {
      await call(action, parameters);
    } catch (error) {
      if (!(error instanceof IamError && error.code === 'NoSuchEntity')) throw error;
    }
  }

  async function remove(userName: string, accessKey?: string): Promise<void> {
    const user = { UserName: userName };
    if (accessKey)
      await callIgnoringMissing('DeleteAccessKey', { ...user, AccessKeyId: accessKey });
    await callIgnoringMissing('DeleteUserPolicy', { ...user, PolicyName: 'grants' });
    await callIgnoringMissing('DeleteUser', user);
  }

  return {
    async create(grants) {
      const userName = `spaces-${randomUUID()}`;
      const user = { UserName: userName };
      await call('CreateUser', user);
      try {
        const Statement = policyStatements(grants);
        if (Statement.length > 0) {
          const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
          await call('PutUserPolicy', { ...user, PolicyName: 'grants', PolicyDocument });
        }
        const made = await call('CreateAccessKey', user);
        const accessKey = element(made, 'AccessKeyId');
        const secretKey = element(made, 'SecretAccessKey');
        if (!accessKey || !secretKey) throw new Error('IAM CreateAccessKey answered without a key');
        return { accessKey, secretKey, userName };
      } catch (error) {
        await remove(userName);
        throw error;
      }
    },
    remove: ({ accessKey, userName }) => remove(userName, accessKey),
  };
}

/** Text of the first element of that name; the API's values here have no markup and no entities. */
function element(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
}
