import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { nearestName } from '../../domain/site/nearest-name.ts';
import { parseSite } from '../../domain/site/parse-site.ts';
import type { Site } from '../../domain/site/schema.ts';
import { dnsLabel } from '../../domain/site/values.ts';
import { parseTfvars } from './tfvars.ts';

/** A name that no site file has. */
export class SiteNotFoundError extends Error {
  override readonly name = 'SiteNotFoundError';
}

/** A name that cannot be that of a site file, such as `../etc/passwd`. */
export class SiteNameError extends Error {
  override readonly name = 'SiteNameError';
}

const withoutCode = (error: unknown) =>
  (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : 'cannot be read';

/**
 * Reads and validates `<sitesDir>/<name>.yaml`.
 *
 * @throws SiteNameError when the name is not a DNS label; SiteNotFoundError when there is no such file;
 *   SiteFileError with everything that is wrong in it
 */
export async function loadSiteFile(sitesDir: string, name: string): Promise<Site> {
  if (!dnsLabel.safeParse(name).success) {
    throw new SiteNameError(
      `${JSON.stringify(name)} is not the name of a site; allowed: lower case letters, digits and -`,
    );
  }
  const fileName = join(sitesDir, `${name}.yaml`);
  let text: string;
  try {
    text = await readFile(fileName, 'utf8');
  } catch (error) {
    throw new SiteNotFoundError(
      `site ${name}: ${fileName}: ${withoutCode(error)}${await otherSites(sitesDir, name)}`,
    );
  }
  return parseSite(text, {
    fileName,
    readTfvars: async (file) => {
      const path = resolve(dirname(fileName), file);
      let hcl: string;
      try {
        hcl = await readFile(path, 'utf8');
      } catch (error) {
        throw new Error(withoutCode(error), { cause: error });
      }
      return parseTfvars(hcl, file);
    },
  });
}

/** Names of the site files in a folder, sorted; none when there is no such folder. */
export async function listSites(sitesDir: string): Promise<string[]> {
  const files = await readdir(sitesDir).catch(() => []);
  return files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

async function otherSites(sitesDir: string, name: string): Promise<string> {
  const sites = await listSites(sitesDir);
  const meant = nearestName(name, sites);
  if (meant !== null) return `; did you mean ${meant}?`;
  return sites.length === 0 ? '' : `; sites there: ${sites.join(', ')}`;
}
