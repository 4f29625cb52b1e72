import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../log.ts';
import { StateDirectory } from './directory.ts';

let base: string;
let child: ChildProcess | null = null;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'shoal-lock-'));
});

afterEach(async () => {
  child?.kill('SIGKILL');
  child = null;
  await rm(base, { recursive: true, force: true });
});

/** Another process that opens the directory and waits. */
async function holder(directory: string): Promise<ChildProcess> {
  const script = join(base, 'holder.cjs');
  await build({
    stdin: {
      contents: `
        import { StateDirectory } from './directory.ts';
        const quiet = () => {};
        const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
        StateDirectory.open(process.argv[2], { log }).then((kept) => { globalThis.kept = kept; console.log('open'); });
        setInterval(quiet, 1000);`,
      resolveDir: import.meta.dirname,
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: script,
    logLevel: 'silent',
  });
  child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const started = child;
  await new Promise<void>((resolve, reject) => {
    started.stdout?.once('data', () => resolve());
    started.once('exit', () => reject(new Error('the holder ended')));
  });
  return started;
}

describe('lock of a state directory', () => {
  it('refuses a second daemon naming the pid of the first, by whatever path, until that one is gone, kill -9 included', async () => {
    const directory = join(base, 'state');
    const other = join(base, 'other-path');
    const first = await holder(directory);
    await symlink(directory, other);
    for (const path of [directory, other]) {
      const error = await StateDirectory.open(path, { log: silentLog }).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'state-locked', field: 'data-dir' });
      expect((error as Error).message).toContain(`the daemon with pid ${first.pid}:`);
    }
    const gone = new Promise((resolve) => first.once('exit', resolve));
    first.kill('SIGKILL');
    await gone;
    const { state } = await StateDirectory.open(directory, { log: silentLog });
    await state.abandon();
  });

  it('is free again after a close', async () => {
    for (let i = 0; i < 3; i++) {
      const { state, boot } = await StateDirectory.open(join(base, 'state'), { log: silentLog });
      await state.close({ nextCounter: boot.leaseFrom, incarnation: boot.incarnation, snapshot: null });
    }
  });
});
