/**
 * Every failure type that an activity or workflow throws as `ApplicationFailure.type`: whether trying again can help,
 * and what a person should do. An activity's message says what happened and to what; `advice` is what comes next.
 */
export const failures = {
  InvalidInput: {
    retryable: false,
    advice: 'Correct the input and start again; nothing was changed.',
  },
  InvalidSite: {
    retryable: false,
    advice: 'Correct the site file; `presslift check <site>` shows every error.',
  },
  SecretMissing: {
    retryable: false,
    advice: 'Create the secret that the reference names, then retry.',
  },
  Unauthorized: {
    retryable: false,
    advice: 'Check the credentials behind the named secret reference.',
  },
  Forbidden: { retryable: false, advice: 'Grant the named permission to the worker, then retry.' },
  NotFound: {
    retryable: false,
    advice: 'Check the name in the site file; the thing does not exist.',
  },
  Unavailable: {
    retryable: true,
    advice: 'The other side does not answer; it is tried again by itself.',
  },
  RateLimited: {
    retryable: true,
    advice: 'The other side asked to slow down; it is tried again later.',
  },
  Conflict: {
    retryable: true,
    advice: 'Somebody changed the same thing at the same time; it is tried again.',
  },
  Drifted: {
    retryable: false,
    advice: 'What was approved is no longer what is there; plan and approve again.',
  },
  PlanMismatch: {
    retryable: false,
    advice: 'The desired state computed now differs from the approved one; plan again.',
  },
  TlsRejected: {
    retryable: false,
    advice: 'The certificate is not trusted by the given CA or names another host.',
  },
  ExtensionsDiffer: {
    retryable: false,
    advice: 'Plugins or themes changed while they were copied; retry copies again.',
  },
  RolloutStuck: {
    retryable: false,
    advice: 'New pods do not become ready; look at their events and logs.',
  },
  JobFailed: {
    retryable: false,
    advice: 'The Job ended with an error; its last log lines are in the message.',
  },
  SiteBroken: {
    retryable: false,
    advice: 'The site does not answer as it should; look before going on.',
  },
  AgentFailed: {
    retryable: false,
    advice: 'The WordPress agent could not do its operation; see the message.',
  },
  PreconditionFailed: {
    retryable: false,
    advice: 'Something the step needs is not there; see the message.',
  },
  CatalogueTampered: {
    retryable: false,
    advice: 'The document in the bucket is not what was written; use another recovery point.',
  },
  RepositoryRefused: {
    retryable: false,
    advice:
      'The repository does not open: check its password, its keys and that it is a restic repository.',
  },
  BackupIncomplete: {
    retryable: false,
    advice: 'The copy is not whole and was not recorded; mend the cause and take it again.',
  },
  RepositoryDamaged: {
    retryable: false,
    advice:
      'Look at the repository with `restic check --read-data`; rely on no recovery point before a drill has passed.',
  },
  RestoreDiffers: {
    retryable: false,
    advice:
      'What was restored is not what was backed up; nothing was switched. Use another recovery point.',
  },
  NoSpace: {
    retryable: false,
    advice: 'A volume, database or bucket is full; make room, then retry.',
  },
  GateRejected: {
    retryable: false,
    advice: 'A person said no; start again when that has been settled.',
  },
  GateExpired: {
    retryable: false,
    advice: 'Nobody decided in time, so nothing was done; start again.',
  },
} as const;

export type FailureType = keyof typeof failures;
