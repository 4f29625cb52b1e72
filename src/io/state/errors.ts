import { ShoalError, systemReason } from '../../base/index.ts';

/** How a disk refused while the node runs: the code and message of the refused command. */
export interface DiskError {
  readonly code: 'disk-full' | 'disk-failed';
  readonly message: string;
}

function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === 'string' ? code : String(error);
}

function isFull(code: string): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

export function runtimeDiskError(error: unknown, path: string): DiskError {
  const code = codeOf(error);
  if (isFull(code)) {
    return {
      code: 'disk-full',
      message: `no space left for the state directory ${path} (${code}): free some, then repeat the command`,
    };
  }
  return {
    code: 'disk-failed',
    message: `the state directory ${path} cannot be written (${code}): check the disk and its mount, then repeat the command`,
  };
}

/** For errors while the directory is opened: the daemon does not start. */
export function openError(error: unknown, path: string): unknown {
  // Without a code of the operating system it is ours, or a programming error.
  if (error instanceof ShoalError || typeof (error as NodeJS.ErrnoException).code !== 'string') return error;
  const code = codeOf(error);
  if (isFull(code)) {
    return new ShoalError(
      'state-full',
      `no space left for the state directory ${path} (${code}): free some, or choose another with --data-dir`,
      'data-dir',
    );
  }
  const why =
    code === 'ENOTDIR' || code === 'EEXIST'
      ? 'not a directory'
      : // Made with those above it: only where the system itself makes the directories, as in /proc, is one missing.
        code === 'ENOENT'
        ? 'the system does not let it be made there'
        : systemReason(error);
  return new ShoalError(
    'state-unwritable',
    `the state directory ${path} cannot be used (${why}): make it writable for this user, or choose another with --data-dir`,
    'data-dir',
  );
}
