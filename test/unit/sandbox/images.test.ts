/** The pure parts of the image build. What the images do is proved by the site that runs on them (test/e2e). */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { debianSources, transferSettings } from '../../../deploy/sandbox/build/debian-base.ts';
import {
  archiveCommands,
  buildCommand,
  selectedBuilder,
} from '../../../deploy/sandbox/build/image-builder.ts';
import { imageReference } from '../../../deploy/sandbox/build/image-catalogue.ts';
import { hashFiles } from '../../../deploy/sandbox/build/images.ts';

describe('debianSources', () => {
  const printed = (lines: [string, string][]): string =>
    lines
      .map(([uri, release]) => `'${uri}/dists/${release}/InRelease' some_name 0 \n`)
      .concat(`'${lines[0]?.[0]}/dists/bookworm/main/binary-amd64/Packages.xz' some_name 0 \n`)
      .join('');

  it('takes the mirrors of the archive and of security updates', () => {
    const found = debianSources(
      printed([
        ['http://mirror.example/debian', 'bookworm'],
        ['http://mirror.example/debian', 'bookworm-updates'],
        ['http://mirror.example/debian-security', 'bookworm-security'],
      ]),
      'bookworm',
    );
    expect(found).toEqual([
      { uri: 'http://mirror.example/debian', release: 'bookworm' },
      { uri: 'http://mirror.example/debian', release: 'bookworm-updates' },
      { uri: 'http://mirror.example/debian-security', release: 'bookworm-security' },
    ]);
  });

  it("asks for the images' release on a machine of another one", () => {
    const found = debianSources(printed([['https://m.example/debian', 'trixie']]), 'bookworm');
    expect(found.map(({ release }) => release)).toEqual(['bookworm', 'bookworm-updates']);
  });

  it('finds nothing among the mirrors of another distribution', () => {
    expect(debianSources(printed([['http://m.example/ubuntu', 'noble']]), 'bookworm')).toEqual([]);
  });

  it('does not take a third party for the archive', () => {
    const lines = printed([
      ['http://third.example/node', 'nodistro'],
      ['http://mirror.example/debian', 'bookworm'],
    ]);
    expect(debianSources(lines, 'bookworm')[0]?.uri).toBe('http://mirror.example/debian');
  });
});

describe('transferSettings', () => {
  it('keeps what reaching the mirror hangs on and drops the rest', () => {
    const dump = [
      'APT::Install-Recommends "1";',
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'Acquire::Check-Valid-Until "false";',
      'Acquire::https::CAInfo "/etc/ssl/own.pem";',
      'Acquire::Languages:: "none";',
      'DPkg::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";',
    ].join('\n');
    expect(transferSettings(dump)).toBe(
      'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::Check-Valid-Until "false";\n',
    );
  });
});

describe('builders', () => {
  const store = { root: '/s/root', runRoot: '/s/run' };
  const request = {
    dockerfile: '/d/Dockerfile',
    context: '/d',
    reference: 'localhost/x:1',
    args: { BASE: 'debian:bookworm' },
    secrets: { 'apt-sources': '/w/apt-sources' },
  };

  it('is buildah unless another one is named', () => {
    expect(selectedBuilder(undefined)).toBe('buildah');
    expect(selectedBuilder('docker')).toBe('docker');
    expect(() => selectedBuilder('kaniko')).toThrow('it may be buildah, podman, docker');
  });

  it.each(['buildah', 'podman'] as const)('gives %s a store of its own', (builder) => {
    const command = buildCommand(builder, store, request);
    expect(command.slice(0, 5)).toEqual([builder, '--root', '/s/root', '--runroot', '/s/run']);
    expect(command).toContain('chroot');
    expect(command.at(-1)).toBe('/d');
  });

  it('passes arguments and secrets to each of them', () => {
    for (const builder of ['buildah', 'podman', 'docker'] as const) {
      const line = buildCommand(builder, store, request).join(' ');
      expect(line).toContain('--build-arg BASE=debian:bookworm');
      expect(line).toContain('--secret id=apt-sources,src=/w/apt-sources');
      expect(line).toContain('--file /d/Dockerfile --tag localhost/x:1 /d');
    }
  });

  it("turns Docker's archive into an OCI archive", () => {
    const commands = archiveCommands('docker', store, 'localhost/x:1', '/c/x.tar');
    expect(commands.map(([program]) => program)).toEqual(['docker', 'skopeo']);
    expect(commands.at(-1)?.at(-1)).toBe('oci-archive:/c/x.tar');
    expect(archiveCommands('buildah', store, 'localhost/x:1', '/c/x.tar')).toHaveLength(1);
  });
});

describe('image references', () => {
  it('are those of sites/acme.yaml', async () => {
    const site = await readFile(join(import.meta.dirname, '../../../sites/acme.yaml'), 'utf8');
    expect(site).toContain(`image: ${imageReference('wordpress')}\n`);
    expect(site).toContain(`toolboxImage: ${imageReference('toolbox')}\n`);
  });
});

describe('hashFiles', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'presslift-images-'));
    await mkdir(join(folder, 'a/b'), { recursive: true });
    await writeFile(join(folder, 'a/one'), '1');
    await writeFile(join(folder, 'a/b/two'), '2');
  });
  afterEach(() => rm(folder, { recursive: true }));

  const hash = (): Promise<string> => hashFiles([join(folder, 'a')]);

  it('is the same for the same files elsewhere', async () => {
    const other = join(folder, 'copy/a');
    await mkdir(join(other, 'b'), { recursive: true });
    await writeFile(join(other, 'b/two'), '2');
    await writeFile(join(other, 'one'), '1');
    expect(await hashFiles([other])).toBe(await hash());
  });

  it.each([
    ['a changed content', () => writeFile(join(folder, 'a/b/two'), '3')],
    ['a new file', () => writeFile(join(folder, 'a/b/three'), '')],
    ['an executable bit', () => chmodOne()],
    ['content that moves from file to file', () => swap()],
  ])('tells %s', async (_, change) => {
    const before = await hash();
    await change();
    expect(await hash()).not.toBe(before);
  });

  async function chmodOne(): Promise<void> {
    await chmod(join(folder, 'a/one'), 0o755);
  }

  async function swap(): Promise<void> {
    await writeFile(join(folder, 'a/one'), '2');
    await writeFile(join(folder, 'a/b/two'), '1');
  }
});
