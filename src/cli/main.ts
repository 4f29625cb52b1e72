/** What bin/shoal runs: the real world around run(). */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, hostname } from 'node:os';
import type { CliIo } from './io.ts';
import { run } from './run.ts';

/** A reader that went away (`shoal ranges | head`) is no error. */
function quitOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}

function isLocked(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

/** All of it or none: what a full disk cut short would be in the way of the next attempt. */
function writeSecret(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

const io: CliIo = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  env: process.env,
  isTerminal: process.stdout.isTTY === true,
  isErrorTerminal: process.stderr.isTTY === true,
  columns: process.stdout.columns ?? 100,
  hostname: hostname(),
  homedir: homedir(),
  readFile: (path) => readFileSync(path, 'utf8'),
  exists: existsSync,
  isLocked,
  writeSecret,
  interrupted: () => {
    const controller = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => controller.abort());
    return controller.signal;
  },
  daemon: () => {
    // A daemon has more to do at its end than to exit.
    process.stdout.off('error', quitOnBrokenPipe);
    return import('../daemon/index.ts');
  },
};

// A key on the command line is not to be read in `ps` by others, or only for the moment until here.
if (process.argv.some((arg) => /^[A-Za-z0-9+/]{43}=$/.test(arg))) process.title = 'shoal keys';

process.stdout.on('error', quitOnBrokenPipe);
run(process.argv.slice(2), io).then((exitCode) => {
  // Pipes and files are written synchronously here, so nothing is lost by ending at once.
  process.exit(exitCode);
});
