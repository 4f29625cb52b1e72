import { join } from 'node:path';
import { ROOT } from '../e2e/harness.ts';
import { must } from './clean-root.ts';

/** Builds the package of a version into a directory, as `npm run deb` does; gives its path. */
export function buildDeb(version: string, out: string, env: NodeJS.ProcessEnv = {}): string {
  const npm = ['--prefix', ROOT, '--silent', 'run', 'deb', '--', '--version', version, '--out', out];
  return must('npm', npm, env).split('\n')[0] ?? join(out, 'nothing');
}
