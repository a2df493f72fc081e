/** What `presslift schema --format` prints: the JSON Schema of the site file, or a page of docs/reference. */
export const schemaFormats = ['json', 'markdown', 'failures'] as const;
export type SchemaFormat = (typeof schemaFormats)[number];
