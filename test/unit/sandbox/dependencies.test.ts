import { describe, expect, it } from 'vitest';
import {
  DependencyError,
  inDependencyOrder,
  withDependents,
  withNeeds,
} from '../../../deploy/sandbox/dependencies.ts';

const platform = [
  { name: 'site', needs: ['ingress', 'database'] },
  { name: 'ingress', needs: ['cluster'] },
  { name: 'cluster', needs: ['network'] },
  { name: 'network', needs: [] },
  { name: 'database', needs: ['network'] },
  { name: 'temporal', needs: [] },
];

const names = (components: readonly { name: string }[]) => components.map(({ name }) => name);

describe('the order of components', () => {
  it('puts each after everything it needs', () => {
    const ordered = names(inDependencyOrder(platform));
    expect(ordered).toHaveLength(platform.length);
    for (const { name, needs } of platform) {
      for (const need of needs) expect(ordered.indexOf(need)).toBeLessThan(ordered.indexOf(name));
    }
  });

  it('refuses a circle and shows it', () => {
    const circle = [
      { name: 'a', needs: ['b'] },
      { name: 'b', needs: ['c'] },
      { name: 'c', needs: ['b'] },
    ];
    expect(() => inDependencyOrder(circle)).toThrow('in a circle: b → c → b');
    expect(() => inDependencyOrder([{ name: 'a', needs: ['a'] }])).toThrow('a → a');
  });

  it('refuses a need that does not exist', () => {
    expect(() => inDependencyOrder([{ name: 'a', needs: ['nothing'] }])).toThrow(
      'a needs nothing, which does not exist',
    );
  });

  it('refuses two components of one name', () => {
    const twins = [
      { name: 'a', needs: [] },
      { name: 'a', needs: [] },
    ];
    expect(() => inDependencyOrder(twins)).toThrow(DependencyError);
  });

  it('chooses named components with all they need, and nothing else', () => {
    expect(names(withNeeds(platform, ['ingress']))).toEqual(['network', 'cluster', 'ingress']);
  });

  it('names the components there are when one is unknown', () => {
    expect(() => withNeeds(platform, ['ingres'])).toThrow(/no component ingres.*temporal/s);
    expect(() => withDependents(platform, ['ingres'])).toThrow(DependencyError);
  });

  it('chooses named components with all that need them', () => {
    expect(names(withDependents(platform, ['cluster']))).toEqual(['cluster', 'ingress', 'site']);
  });
});
