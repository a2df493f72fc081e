// Proves that a restored event runs again where the site's own did, and only there.
import { describe, expect, it } from 'vitest';
import type { Definition } from '../../../src/activities/rollback/database-definitions.ts';
import { enabledAs } from '../../../src/activities/rollback/database-switch.ts';

const event = (name: string, status: 'ENABLE' | 'DISABLE', body = 'DELETE FROM t'): Definition => ({
  kind: 'event',
  name,
  statement: `EVENT \`${name}\` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ${status} DO ${body}`,
  definer: null,
  sqlMode: null,
  collation: null,
  table: null,
  order: 0,
});

describe('enabledAs', () => {
  it('enables an event that runs on the site', () => {
    const restored = event('clean', 'DISABLE');
    expect(enabledAs(restored, [event('clean', 'ENABLE')])).toEqual(event('clean', 'ENABLE'));
  });

  it('leaves one alone that the site has disabled, or has not', () => {
    const restored = event('clean', 'DISABLE');
    expect(enabledAs(restored, [event('clean', 'DISABLE')])).toEqual(restored);
    expect(enabledAs(restored, [event('other', 'ENABLE')])).toEqual(restored);
  });

  it('changes the status and not the body', () => {
    const body = "INSERT INTO log VALUES ('ON COMPLETION PRESERVE DISABLE')";
    const found = enabledAs(event('clean', 'DISABLE', body), [event('clean', 'ENABLE')]);
    expect(found.statement).toBe(event('clean', 'ENABLE', body).statement);
  });
});
