import type { Zone } from './rulesets.ts';

/** A zone as it is before anybody has made a rule: it sees the provider's managed rulesets. */
export function newZone(name: string): Zone {
  const managed = {
    id: 'efb7b8c949ac4650a09736fc376e9aee',
    name: 'Cloudflare Managed Ruleset',
    description: 'Created by the provider for all zones',
    kind: 'managed' as const,
    phase: 'http_request_firewall_managed',
    version: '261',
    last_updated: '2026-09-01T09:00:00.000Z',
  };
  return { name, entrypoints: {}, managed: [managed] };
}
