import { failures } from '../domain/failures.ts';
import { allowedText, siteJsonSchema, type SchemaNode } from '../domain/site/json-schema.ts';

/** Pages of docs/reference that are made from the code. A test compares them with the files. */

const cell = (text: string) => text.replaceAll('|', '\\|');

const row = (...cells: string[]) => `| ${cells.map((text) => cell(text)).join(' | ')} |`;

interface Field {
  path: string;
  node: SchemaNode;
  needed: boolean;
}

/** Every field below a section, sections before their members, in the order of the schema. */
function fieldsOf(section: SchemaNode, prefix: string): Field[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, node]) => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const field = { path, node, needed: section.required?.includes(name) ?? false };
    const item = node.type === 'array' ? node.items : undefined;
    return [
      field,
      ...fieldsOf(node, path),
      ...fieldsOf(item ?? {}, `${path}[]`),
      ...options(node, path),
    ];
  });
}

/** Fields of each kind of a union; the kind stands in the path. */
function options(node: SchemaNode, path: string): Field[] {
  return (node.oneOf ?? node.anyOf ?? []).flatMap((option) => {
    const kind = option.properties?.kind?.const ?? '';
    return fieldsOf(option, `${path}(${kind})`);
  });
}

function defaultText({ node, needed }: Field): string {
  if (needed) return 'needed';
  if (node.default === undefined || isSection(node)) return 'none';
  return `\`${typeof node.default === 'string' ? node.default : JSON.stringify(node.default)}\``;
}

const isSection = (node: SchemaNode) =>
  node.properties !== undefined || node.oneOf !== undefined || node.anyOf !== undefined;

function kindText(node: SchemaNode): string {
  if (node.oneOf ?? node.anyOf) return 'a section, one of the kinds below';
  if (node.properties !== undefined) return 'a section';
  if (node.items?.properties !== undefined) return 'a list of sections';
  return allowedText(node);
}

/** docs/reference/site-file.md: every section, every field, what is allowed, its default, what it means. */
export function siteFileMarkdown(): string {
  const schema = siteJsonSchema();
  const sections = Object.entries(schema.properties ?? {});
  const single = sections.filter(([, node]) => !isSection(node));
  const intro = [
    '# Site file',
    '',
    '<!-- Made from src/domain/site by `presslift schema --format markdown`. Change the descriptions there. -->',
    '',
    'One file a site, `sites/<name>.yaml`. `presslift check <name>` tells everything that is wrong in it at once, with the',
    'place, what was found and what is allowed. Editors that know JSON Schema check while you type with this first line:',
    '',
    '```yaml',
    '# yaml-language-server: $schema=../docs/reference/site.schema.json',
    '```',
    '',
    'Complete examples: `sites/acme.yaml` (the sandbox) and `sites/example-digitalocean.yaml`.',
    '',
    'Secrets never stand in a site file, only references to them: `kubernetes:<namespace>/<name>[#<key>]`,',
    '`vault:<path>[#<key>]` (KV v2) or `env:<NAME>` of the worker. Times are ISO 8601 durations: `PT30M` is thirty minutes,',
    '`P3D` three days. In the column "default", "needed" means that the file must have the field, "none" that nothing is',
    'assumed without it.',
    '',
    '## Top level',
    '',
  ];
  const header = ['| field | allowed | default | meaning |', '| --- | --- | --- | --- |'];
  const table = (fields: Field[]) => [
    ...header,
    ...fields.map((field) =>
      row(
        `\`${field.path}\``,
        kindText(field.node),
        defaultText(field),
        field.node.description ?? '',
      ),
    ),
    '',
  ];
  const top = single.map(([path, node]) => ({
    path,
    node,
    needed: schema.required?.includes(path) ?? false,
  }));
  return [
    ...intro,
    ...table(top),
    ...sections
      .filter(([, node]) => isSection(node))
      .flatMap(([name, node]) => {
        const needed = schema.required?.includes(name) ?? false;
        const title = `${node.description ?? ''}${needed ? '' : ' May be left out.'}`;
        return [`## \`${name}\``, '', title, '', ...table(fieldsOf(node, name))];
      }),
  ].join('\n');
}

/** docs/reference/failures.md: every failure type, whether it is tried again, what to do. */
export function failuresMarkdown(): string {
  return [
    '# Failure types',
    '',
    '<!-- Made from src/domain/failures.ts by `presslift schema --format failures`. Change the table there. -->',
    '',
    'Every error of an activity or workflow has one of these types (`ApplicationFailure.type` in the Web UI, `failureType` in',
    '`presslift status --json`). The message says what happened and to what. A type that is not tried again stops the step at',
    'once; the operation then asks for an operator: `presslift retry`, `skip` or `compensate`.',
    '',
    '| type | tried again by itself | what to do |',
    '| --- | --- | --- |',
    ...Object.entries(failures).map(([type, { retryable, advice }]) =>
      row(`\`${type}\``, retryable ? 'yes' : 'no', advice),
    ),
    '',
  ].join('\n');
}
