import { z } from 'zod';
import { siteSchema } from './schema.ts';

/** The part of JSON Schema that the site file uses. */
export interface SchemaNode {
  title?: string;
  description?: string;
  type?: string;
  enum?: string[];
  const?: string;
  default?: unknown;
  properties?: Record<string, SchemaNode>;
  required?: string[];
  items?: SchemaNode;
  oneOf?: SchemaNode[];
  anyOf?: SchemaNode[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minItems?: number;
}

/** JSON Schema (draft 2020-12) of the site file as people write it: what has a default may be left out. */
export function siteJsonSchema(): SchemaNode & { $schema: string } {
  const { $schema, ...schema } = z.toJSONSchema(siteSchema, { io: 'input' }) as SchemaNode & {
    $schema: string;
  };
  return { $schema, title: 'Presslift site file', ...schema };
}

const alternatives = (node: SchemaNode) => node.oneOf ?? node.anyOf;

/** The schema at a path in a site file, or null where the schema has no such place. */
export function schemaAt(path: readonly PropertyKey[], root: SchemaNode): SchemaNode | null {
  let nodes = [root];
  for (const key of path) {
    nodes = nodes.flatMap((node) => {
      const next = typeof key === 'number' ? node.items : ownProperty(node.properties, key);
      if (next === undefined) return [];
      return alternatives(next) ?? [next];
    });
  }
  const [first] = nodes;
  if (first === undefined) return null;
  if (nodes.length === 1) return first;
  // Places of a union that say different constants: all of them are allowed.
  const constants = nodes.map((node) => node.const).filter((value) => value !== undefined);
  if (constants.length === nodes.length) return { ...first, const: undefined, enum: constants };
  return {
    ...first,
    properties: Object.assign({}, ...nodes.map((node) => node.properties)) as Record<
      string,
      SchemaNode
    >,
  };
}

function ownProperty(properties: Record<string, SchemaNode> | undefined, key: PropertyKey) {
  return properties !== undefined && Object.hasOwn(properties, key)
    ? properties[String(key)]
    : undefined;
}

function numberText(node: SchemaNode): string {
  const noun = node.type === 'integer' ? 'a whole number' : 'a number';
  // Whole numbers carry the largest safe one as bound; that is no news to anybody.
  const bounded = node.maximum !== undefined && node.maximum < Number.MAX_SAFE_INTEGER;
  const bounds = [
    node.exclusiveMinimum !== undefined ? `greater than ${node.exclusiveMinimum}` : null,
    node.exclusiveMaximum !== undefined ? `less than ${node.exclusiveMaximum}` : null,
    node.minimum !== undefined ? `${bounded ? 'from' : 'of at least'} ${node.minimum}` : null,
    bounded ? `to ${node.maximum}` : null,
  ].filter((bound) => bound !== null);
  return [noun, ...bounds].join(' ');
}

/** What may stand at a place, in words: "a whole number from 1 to 65535". */
export function allowedText(node: SchemaNode): string {
  if (node.title !== undefined && node.type === 'string') return node.title;
  if (node.const !== undefined) return node.const;
  if (node.enum !== undefined) {
    return node.enum.length === 1 ? String(node.enum[0]) : `one of ${node.enum.join(', ')}`;
  }
  if (node.type === 'integer' || node.type === 'number') return numberText(node);
  if (node.type === 'boolean') return 'true or false';
  if (node.type === 'array') {
    const item = node.items === undefined ? 'anything' : allowedText(node.items);
    return `a list${(node.minItems ?? 0) > 0 ? ', not empty,' : ''} of: ${item}`;
  }
  const keys = Object.keys(node.properties ?? {});
  if (keys.length > 0) return `a section with the keys ${keys.join(', ')}`;
  const options = alternatives(node);
  if (options !== undefined) return options.map((option) => allowedText(option)).join('; or ');
  return 'a text';
}
