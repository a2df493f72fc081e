import { strToU8, zipSync } from 'fflate';

/** The plugin that verification installs, updates and removes again. It does nothing but be there. */
export const probePlugin = {
  slug: 'presslift-probe',
  file: 'presslift-probe/presslift-probe.php',
  folder: 'wp-content/plugins/presslift-probe',
} as const;

/** The plugin as a zip file for WP Admin's upload form. The same version gives the same bytes. */
export function probePluginZip(version: string): { zip: Buffer; fileName: string } {
  const source = `<?php
/**
 * Plugin Name: Presslift probe
 * Description: Proves that plugins can be installed and updated. It is removed again within minutes.
 * Version: ${version}
 * Requires at least: 5.5
 * License: Apache-2.0
 */
`;
  const files = { [probePlugin.file]: strToU8(source) };
  // A fixed time stamp: zip files cannot hold one before 1980.
  const zip = zipSync(files, { mtime: new Date('1980-01-02T00:00:00Z') });
  return { zip: Buffer.from(zip), fileName: `${probePlugin.slug}-${version}.zip` };
}
