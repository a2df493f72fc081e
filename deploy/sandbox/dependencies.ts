/** The part of a component that says where it stands among the others. */
export interface Dependent {
  name: string;
  needs: readonly string[];
}

/** The list of components contradicts itself: unknown or doubled names, or a circle. */
export class DependencyError extends Error {
  override name = 'DependencyError';
}

/**
 * Sorts components so that each comes after all it needs; those that could come in any order keep the order of the
 * list. Throws `DependencyError` on a name that is there twice or not at all, and on a circle (with the circle).
 */
export function inDependencyOrder<T extends Dependent>(components: readonly T[]): T[] {
  const byName = indexByName(components);
  const ordered: T[] = [];
  const state = new Map<string, 'visiting' | 'done'>();
  const visit = (component: T, path: readonly string[]): void => {
    const trail = [...path, component.name];
    if (state.get(component.name) === 'done') return;
    if (state.get(component.name) === 'visiting') {
      const circle = trail.slice(trail.indexOf(component.name));
      throw new DependencyError(`Components need each other in a circle: ${circle.join(' → ')}`);
    }
    state.set(component.name, 'visiting');
    for (const need of component.needs) {
      const needed = byName.get(need);
      if (!needed) {
        throw new DependencyError(`${component.name} needs ${need}, which does not exist`);
      }
      visit(needed, trail);
    }
    state.set(component.name, 'done');
    ordered.push(component);
  };
  for (const component of components) visit(component, []);
  return ordered;
}

/** The named components and everything they need, in dependency order. Throws on an unknown name. */
export function withNeeds<T extends Dependent>(
  components: readonly T[],
  names: readonly string[],
): T[] {
  const ordered = inDependencyOrder(components);
  const byName = indexByName(components);
  const wanted = new Set<string>();
  const add = (name: string): void => {
    const component = byName.get(name);
    if (!component) {
      const known = components.map((each) => each.name).join(', ');
      throw new DependencyError(`There is no component ${name}. There are: ${known}`);
    }
    if (wanted.has(name)) return;
    wanted.add(name);
    component.needs.forEach(add);
  };
  names.forEach(add);
  return ordered.filter(({ name }) => wanted.has(name));
}

/** The named components and everything that needs them, in dependency order. */
export function withDependents<T extends Dependent>(
  components: readonly T[],
  names: readonly string[],
): T[] {
  const affected = new Set<string>(withNames(components, names));
  return inDependencyOrder(components).filter(({ name, needs }) => {
    if (needs.some((need) => affected.has(need))) affected.add(name);
    return affected.has(name);
  });
}

function withNames(components: readonly Dependent[], names: readonly string[]): readonly string[] {
  withNeeds(components, names);
  return names;
}

function indexByName<T extends Dependent>(components: readonly T[]): Map<string, T> {
  const byName = new Map<string, T>();
  for (const component of components) {
    if (byName.has(component.name)) {
      throw new DependencyError(`There are two components named ${component.name}`);
    }
    byName.set(component.name, component);
  }
  return byName;
}
