import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describeProgram } from '../../src/cli/index.ts';
import { sampleConfig } from '../../src/config/index.ts';
import { bashCompletion, zshCompletion } from './completions.ts';
import { runtimePackages } from './licences.ts';
import { manualPages } from './manual.ts';

/** A file or, with `link`, a symbolic link of the package; the path is absolute on the board. */
export interface Entry {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
  readonly link?: string;
}

export interface ContentsInputs {
  /** The repository. */
  readonly root: string;
  readonly bundle: Uint8Array;
  readonly copyright: string;
  readonly changelog: string;
  readonly version: string;
  readonly epochSeconds: number;
}

/** Where the program is on a board that was set up by hand (deploy/shoal.service), and from the package. */
const BY_HAND = '/opt/shoal';
const PACKAGED = '/usr/share/shoal';
const DOC = '/usr/share/doc/shoal';
/** Where binaries may be. */
const NATIVE = '/usr/lib/shoal/node_modules';
const LINTIAN = `# One package for all boards: each loads the binary of its own architecture, by Node.js, which depends on the C library.
shoal: arch-independent-package-contains-binary-or-object [usr/lib/shoal/node_modules/classic-level/prebuilds/*]
shoal: missing-dependency-on-libc needed by usr/lib/shoal/node_modules/classic-level/prebuilds/*
`;
/** Programs of node-gyp-build that compile, and files for browsers. */
const UNNEEDED = /^(bin|build-test|optional)\.js$|\.min\.js$/;

/** Everything the package puts on a board. */
export function packageContents(inputs: ContentsInputs): Entry[] {
  const { root, version } = inputs;
  const source = (path: string): string => readFileSync(join(root, path), 'utf8');
  const unit = packagedUnit(source('deploy/shoal.service'));
  const program = describeProgram();
  const date = new Date(inputs.epochSeconds * 1000).toISOString().slice(0, 10);
  const pages = manualPages({ program, version, date, unit });
  return [
    file(`${PACKAGED}/dist/shoal.cjs`, inputs.bundle),
    ...nativePackages(root),
    {
      path: `${PACKAGED}/node_modules`,
      bytes: new Uint8Array(0),
      mode: 0o777,
      link: '../../lib/shoal/node_modules',
    },
    file('/usr/share/lintian/overrides/shoal', LINTIAN),
    // Debian's own path, which the dependency provides; `env` might find another.
    file(`${PACKAGED}/bin/shoal`, source('bin/shoal').replace(/^#!.*/, '#!/usr/bin/node'), 0o755),
    { path: '/usr/bin/shoal', bytes: new Uint8Array(0), mode: 0o777, link: '../share/shoal/bin/shoal' },
    file('/etc/shoal/shoal.toml', sampleConfig()),
    file('/usr/lib/systemd/system/shoal.service', unit),
    ...[...pages].map(([name, page]) => file(`/usr/share/man/man${name.at(-1)}/${name}.gz`, gzip(page))),
    file('/usr/share/bash-completion/completions/shoal', bashCompletion(program)),
    file('/usr/share/zsh/vendor-completions/_shoal', zshCompletion(program)),
    file(`${DOC}/copyright`, inputs.copyright),
    file(`${DOC}/changelog.gz`, gzip(inputs.changelog)),
    file(`${DOC}/README.md.gz`, gzip(source('deploy/README.md'))),
    file(`${DOC}/examples/key.conf`, source('deploy/debian/key.conf')),
    file(`${DOC}/examples/store.conf`, packagedUnit(source('deploy/debian/store.conf'))),
  ];
}

/** What store = "leveldb" loads, beside the bundle: classic-level with its binaries for the boards, and what it needs at run time. */
function nativePackages(root: string): Entry[] {
  return runtimePackages(root, 'classic-level').flatMap((name) => {
    const from = join(root, 'node_modules', name);
    return readdirSync(from, { recursive: true, encoding: 'utf8' })
      .filter((path) => isNeeded(path) && statSync(join(from, path)).isFile())
      .sort()
      .map((path) => file(`${NATIVE}/${name}/${path}`, readFileSync(join(from, path))));
  });
}

/** Its code, without sources in other languages, tests, types and binaries for other systems. */
function isNeeded(path: string): boolean {
  if (path.startsWith('prebuilds/'))
    return /^prebuilds\/linux-(x64|arm64|arm)\/.*\.node$/.test(path) && !/musl|armv6/.test(path);
  if (/^(deps|test|types)\//.test(path) || UNNEEDED.test(path)) return false;
  return path.endsWith('.js') || path === 'package.json';
}

/** deploy/shoal.service is the source; only paths differ. */
export function packagedUnit(unit: string): string {
  const packaged = unit
    .replace(/^# shoal on a board.*$/m, '# shoal, from the Debian package. Changes: systemctl edit shoal')
    .replace(/^Documentation=.*$/m, `Documentation=man:shoal-agent(8) file://${DOC}/README.md.gz`)
    .replaceAll(`${BY_HAND}/`, `${PACKAGED}/`);
  if (packaged.includes(BY_HAND))
    throw new Error(`deploy/shoal.service names ${BY_HAND} in a way not known here`);
  return packaged;
}

/** Without name and time in its header: the same bytes give the same file. */
function gzip(content: string): Uint8Array {
  return gzipSync(content, { level: 9 });
}

function file(path: string, content: string | Uint8Array, mode = 0o644): Entry {
  return { path, bytes: typeof content === 'string' ? Buffer.from(content) : content, mode };
}
