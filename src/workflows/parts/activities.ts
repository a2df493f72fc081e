import { proxyActivities } from '@temporalio/workflow';
import type { AllActivities, ChangeInput, ChangeResult } from '../../activities/contracts.ts';
import { activityProfiles, retryProfiles } from '../../domain/retry-profiles.ts';
import type { RetryProfileName } from '../../domain/retry-profiles.ts';

type Input<Name extends keyof AllActivities> = Parameters<AllActivities[Name]>[0];
type Output<Name extends keyof AllActivities> = Awaited<ReturnType<AllActivities[Name]>>;

type NamesOf<Signature> = {
  [Name in keyof AllActivities]: AllActivities[Name] extends Signature ? Name : never;
}[keyof AllActivities];

/** Activities that carry out a change or take it back. */
export type ChangeActivity = NamesOf<(input: ChangeInput) => Promise<ChangeResult>>;

/** What the Web UI shows beside an event; the server refuses summaries of more than 400 bytes. */
export function summaryLine(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 119)}…`;
}

const proxies = Object.fromEntries(
  Object.entries(retryProfiles).map(([name, profile]) => [
    name,
    proxyActivities<AllActivities>(profile),
  ]),
) as Record<RetryProfileName, ReturnType<typeof proxyActivities<AllActivities>>>;

/**
 * Runs one activity under its profile of src/domain/retry-profiles.ts, with a one-line summary for the Web UI.
 *
 * @param profile where it is not the activity's usual one.
 * @throws ActivityFailure once the profile's attempts are used up or a type that no retry mends was thrown.
 */
export async function runActivity<Name extends keyof AllActivities>(
  name: Name,
  input: Input<Name>,
  summary: string,
  profile: RetryProfileName = activityProfiles[name],
): Promise<Output<Name>> {
  const activity = proxies[profile][name] as unknown as {
    executeWithOptions(options: { summary: string }, args: unknown[]): Promise<Output<Name>>;
  };
  return activity.executeWithOptions({ summary: summaryLine(summary) }, [input]);
}
