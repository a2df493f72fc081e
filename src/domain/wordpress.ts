/** A folder's content, summed up: `digest` is SHA-256 over the sorted `<sha256>  <path>` lines of its files. */
export interface TreeDigest {
  files: number;
  bytes: number;
  digest: string;
}

export interface PluginFact {
  /** `akismet/akismet.php` */
  file: string;
  name: string;
  version: string;
  active: boolean;
}
