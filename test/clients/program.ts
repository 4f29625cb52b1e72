import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { HOME_TAG } from './group.ts';

/**
 * Programs of other languages, each with its own client library. Arguments: `workout` (all it can do, with the pairs of one corpus) or
 * `read` (compare all values of some corpora), `plain` or `cluster`, the port, a hash tag of the node there, files of corpora.
 * Each compares what it is answered with what it wrote, and ends with `N checks`, or with the first wrong answer and a code.
 */
export type Program = 'redis-py' | 'php-redis' | 'redis-rb' | 'hiredis';
export type Mode = 'plain' | 'cluster';

const WITHIN_MS = 240_000;
export const source = (file: string): string => join(import.meta.dirname, 'programs', file);

/** How each is run; what is compiled is in the directory. */
const WORDS: Readonly<Record<Program, (directory: string) => readonly string[]>> = {
  'redis-py': () => ['/usr/bin/python3', source('redis-py.py')],
  'php-redis': () => ['/usr/bin/php', source('php-redis.php')],
  'redis-rb': () => ['/usr/bin/ruby', source('redis-rb.rb')],
  hiredis: (directory) => [join(directory, 'hiredis')],
};

export async function compile(directory: string): Promise<void> {
  const flags = ['-std=c11', '-O1', '-Wall', '-Wextra', '-Werror'];
  await run(['gcc', ...flags, '-o', join(directory, 'hiredis'), source('hiredis.c'), '-lhiredis']);
}

export interface ProgramRun {
  readonly program: Program;
  readonly directory: string;
  readonly action: 'workout' | 'read';
  readonly mode: Mode;
  readonly port: number;
  readonly paths: readonly string[];
  readonly password?: string;
}

/** Gives the number of checks. */
export async function runProgram(task: ProgramRun): Promise<number> {
  const { program, directory, action, mode, port, paths, password } = task;
  const words = [...WORDS[program](directory), action, mode, String(port), HOME_TAG, ...paths];
  const output = await run(words, '', password);
  const checks = /^(\d+) checks$/.exec(output.trim())?.[1];
  if (checks === undefined) throw new Error(`${program} said: ${output}`);
  return Number(checks);
}

/** Runs a command to its end with text on its input; gives its output. */
export function run(words: readonly string[], input = '', password?: string): Promise<string> {
  const [command = '', ...args] = words;
  const env = password === undefined ? process.env : { ...process.env, STORE_PASSWORD: password };
  const child = spawn(command, args, { env, timeout: WITHIN_MS, killSignal: 'SIGKILL' });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else
        reject(new Error(`${words.slice(0, 5).join(' ')} ended with ${code ?? signal}: ${errors}${output}`));
    });
  });
}
