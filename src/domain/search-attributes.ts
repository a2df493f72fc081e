import { defineSearchAttributeKey } from '@temporalio/common';

/** Typed search attributes of Presslift's workflows. All are Keyword; every workflow carries the first four. */
export const searchAttributes = {
  site: defineSearchAttributeKey('PressliftSite', 'KEYWORD'),
  operation: defineSearchAttributeKey('PressliftOperation', 'KEYWORD'),
  state: defineSearchAttributeKey('PressliftState', 'KEYWORD'),
  /** Id of the open gate, or `none`. */
  gate: defineSearchAttributeKey('PressliftGate', 'KEYWORD'),
  /** How it stands with a site's recovery points, as the last `backup` or `backupWatch` found: see `BackupState`. */
  backup: defineSearchAttributeKey('PressliftBackup', 'KEYWORD'),
} as const;

/**
 * `fresh`: there is a sound recovery point of the wanted age. `late`: the newest one is too old, or there is none.
 * `failed`: none could be taken, or nobody could tell how old the newest one is.
 */
export type BackupState = 'fresh' | 'late' | 'failed';

export const searchAttributeNames = Object.values(searchAttributes).map((key) => key.name);
