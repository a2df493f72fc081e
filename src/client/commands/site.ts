import { loadSiteFile } from '../../activities/sites/load-site.ts';
import { digestOf } from '../../domain/digest.ts';
import { SiteFileError } from '../../domain/site/issues.ts';
import { siteJsonSchema } from '../../domain/site/json-schema.ts';
import type { SchemaFormat } from '../../domain/site/schema-formats.ts';
import { asJson, sitesDirOf, type CommandContext } from '../context.ts';
import type { ExitName } from '../exit-codes.ts';
import { failuresMarkdown, siteFileMarkdown } from '../reference.ts';

/** `presslift check <site>`: everything that is wrong in a site file. Talks to nobody. */
export async function checkCommand(
  context: CommandContext,
  name: string,
  options: { json?: boolean },
): Promise<ExitName> {
  const { terminal } = context;
  try {
    const site = await loadSiteFile(sitesDirOf(context), name);
    const digest = digestOf(site);
    terminal.out(
      options.json === true
        ? asJson({ valid: true, digest, site, issues: [] })
        : `${name}: valid; hosts ${site.hosts.names.join(', ')}; digest ${digest}`,
    );
    return 'done';
  } catch (error) {
    if (options.json !== true || !(error instanceof SiteFileError)) throw error;
    terminal.out(asJson({ valid: false, issues: error.issues }));
    return 'usage';
  }
}

const formats: Record<SchemaFormat, () => string> = {
  json: () => asJson(siteJsonSchema()),
  markdown: siteFileMarkdown,
  failures: failuresMarkdown,
};

/** `presslift schema`: the JSON Schema of the site file, or one of the reference pages made from the code. */
export function schemaCommand(
  { terminal }: CommandContext,
  options: { format: SchemaFormat },
): ExitName {
  terminal.out(formats[options.format]());
  return 'done';
}
