import { defineSearchAttributeKey } from '@temporalio/common';

/** Typed search attributes that every Presslift workflow carries. All are Keyword. */
export const searchAttributes = {
  site: defineSearchAttributeKey('PressliftSite', 'KEYWORD'),
  operation: defineSearchAttributeKey('PressliftOperation', 'KEYWORD'),
  state: defineSearchAttributeKey('PressliftState', 'KEYWORD'),
  /** Id of the open gate, or `none`. */
  gate: defineSearchAttributeKey('PressliftGate', 'KEYWORD'),
} as const;

export const searchAttributeNames = Object.values(searchAttributes).map((key) => key.name);
