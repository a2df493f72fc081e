/**
 * Proves that the pages of docs/reference that are made from the code are current, and that no field is without words.
 * `npx vitest run --project unit test/unit/domain/reference.test.ts -u` writes them again.
 */
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { failuresMarkdown, siteFileMarkdown } from '../../../src/client/reference.ts';
import { failures } from '../../../src/domain/failures.ts';
import { siteJsonSchema, type SchemaNode } from '../../../src/domain/site/json-schema.ts';

async function formatted(text: string, file: string) {
  const options = await resolveConfig(file);
  return format(text, { ...options, filepath: file });
}

test.each([
  ['docs/reference/site.schema.json', () => JSON.stringify(siteJsonSchema())],
  ['docs/reference/site-file.md', siteFileMarkdown],
  ['docs/reference/failures.md', failuresMarkdown],
])('%s is current', async (file, make) => {
  await expect(await formatted(make(), file)).toMatchFileSnapshot(`../../../${file}`);
});

/** Every field with its path, whatever it is nested in. */
function fields(node: SchemaNode, path: string[] = []): { path: string[]; node: SchemaNode }[] {
  const members = Object.entries(node.properties ?? {}).flatMap(([name, child]) => [
    { path: [...path, name], node: child },
    ...fields(child, [...path, name]),
  ]);
  const inner = [...(node.items ? [node.items] : []), ...(node.oneOf ?? []), ...(node.anyOf ?? [])];
  return [...members, ...inner.flatMap((child) => fields(child, path))];
}

test('every field of the site file has a description and stands in the reference with its default', () => {
  const page = siteFileMarkdown();
  const all = fields(siteJsonSchema());
  expect(all.length).toBeGreaterThan(100);
  for (const { path, node } of all) {
    const name = path.join('.');
    expect(node.description, name).toMatch(/[.]$/);
    const rows = page.split('\n').filter((line) => line.includes(node.description ?? name));
    const last = path.at(-1) ?? '';
    expect(
      rows.some((line) => path.length === 1 || line.includes(`.${last}\``)),
      name,
    ).toBe(true);
    if (typeof node.default === 'string' || typeof node.default === 'number') {
      expect(
        rows.some((line) => line.includes(`\`${node.default as string}\``)),
        name,
      ).toBe(true);
    }
  }
});

test('every failure type has advice in the reference', () => {
  const page = failuresMarkdown();
  for (const [type, { advice }] of Object.entries(failures)) {
    expect(page).toContain(`| \`${type}\` |`);
    expect(page).toContain(advice);
  }
});
