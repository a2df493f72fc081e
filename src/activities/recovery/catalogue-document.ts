import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { digestOf } from '../../domain/digest.ts';
import { canonicalJson } from '../../domain/json.ts';
import { failure } from '../failure.ts';

/** Under which member a document has its content: `{schema: 1, point: {…}, digest, signature}`. */
export type DocumentKind = 'point' | 'state' | 'report';

/** A document of the catalogue: nobody without the repository's password can change it unnoticed. */
export type Envelope<T> = {
  schema: 1;
  /** `sha256:…` of the content's canonical JSON. */
  digest: string;
  /** HMAC-SHA256 of kind, place and digest, hexadecimal. */
  signature: string;
} & Partial<Record<DocumentKind, T>>;

/** Signs what the catalogue holds. */
export interface Signer {
  sign(text: string): string;
  verify(text: string, signature: string): boolean;
}

/** @param password the repository's; the key is derived from it (HKDF-SHA256), so there is no second secret to lose. */
export function createSigner(password: string): Signer {
  const key = Buffer.from(hkdfSync('sha256', password, '', 'presslift catalogue', 32));
  const sign = (text: string) => createHmac('sha256', key).update(text).digest('hex');
  return {
    sign,
    verify(text, signature) {
      const [expected, given] = [Buffer.from(sign(text)), Buffer.from(signature)];
      return expected.length === given.length && timingSafeEqual(expected, given);
    },
  };
}

/**
 * Wraps a document.
 * @param place where it belongs (`acme/<id>`): a document that is copied to another place is refused there.
 */
export function seal<T>(
  signer: Signer,
  kind: DocumentKind,
  place: string,
  content: T,
): Envelope<T> {
  const digest = digestOf(content);
  const signature = signer.sign(signed(kind, place, digest));
  return { schema: 1, [kind]: content, digest, signature };
}

/** The content of a document as it was written. @throws CatalogueTampered */
export function unseal<T>(signer: Signer, kind: DocumentKind, place: string, text: string): T {
  const tampered = (why: string) =>
    failure('CatalogueTampered', `The catalogue's ${kind} of ${place}: ${why}`);
  let envelope: Partial<Envelope<T>> | null;
  try {
    envelope = JSON.parse(text) as Partial<Envelope<T>> | null;
  } catch {
    throw tampered('it is no JSON document');
  }
  const content = envelope?.[kind];
  if (envelope?.schema !== 1 || content === undefined || content === null) {
    throw tampered('it is no document of this kind');
  }
  const { digest, signature } = envelope;
  if (typeof digest !== 'string' || digest !== digestOf(content)) {
    throw tampered('its content is not what its digest says');
  }
  if (typeof signature !== 'string' || !signer.verify(signed(kind, place, digest), signature)) {
    throw failure(
      'CatalogueTampered',
      `The catalogue's ${kind} of ${place}: its signature is not by this repository's password`,
      { details: [badSignature] },
    );
  }
  return content;
}

/** In the details of the failure: all that is wrong is the signature. */
const badSignature = { signature: 'not by this password' } as const;

/** Whether `unseal` refused a document for its signature alone, as every one is with another repository's password. */
export function isBadSignature(error: unknown): boolean {
  const details: unknown[] = (error instanceof ApplicationFailure && error.details) || [];
  return details.includes(badSignature);
}

const signed = (kind: DocumentKind, place: string, digest: string) =>
  `${kind}\n${place}\n${digest}`;

/** Canonical text of a document, with a line feed at its end. */
export function documentText(envelope: Envelope<unknown>): string {
  return `${canonicalJson(envelope)}\n`;
}
