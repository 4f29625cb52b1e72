import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';

const ROOT = resolve(import.meta.dirname, '../..');

/** The newest modification below a directory, in milliseconds. */
function newestMs(directory: string): number {
  let newest = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && !entry.name.endsWith('.test.ts')) {
      newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
    }
  }
  return newest;
}

/** `npm ci` has built it; after a change of the sources it is built again, so that the test is of what is there. */
function ensureBuilt(): void {
  const bundle = join(ROOT, 'dist/shoal.cjs');
  if (existsSync(bundle) && statSync(bundle).mtimeMs > newestMs(join(ROOT, 'src'))) return;
  const { status, stderr } = spawnSync(process.execPath, ['esbuild.config.mjs'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the bundle could not be built: ${stderr}`);
}

/** Before any file of a suite that starts agents: files run side by side, and none must find a program half written. */
export default function setup(project: TestProject): void {
  if (process.env.SHOAL_TEST_PROGRAM !== undefined) return;
  ensureBuilt();
  project.onTestsRerun(ensureBuilt);
}
