import { existsSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { type AddressInfo, createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { type Address, joinAddress, ShoalError, systemReason } from '../base/index.ts';

/** Longest path of a Unix socket on Linux, in bytes. */
const SOCKET_PATH_BYTES = 107;

/** @throws ShoalError `port-in-use`, `cannot-listen` naming the setting `http` */
export async function listenTcp(server: Server, host: string, port: number): Promise<Address> {
  try {
    await listen(server, () => server.listen({ host, port }));
  } catch (error) {
    const asked = joinAddress(host, port);
    if (codeOf(error) === 'EADDRINUSE')
      throw new ShoalError(
        'port-in-use',
        `http: ${asked} is taken by another program: stop it, or choose another address with --http HOST:PORT (port 0 picks a free one) or --no-http`,
        'http',
      );
    throw new ShoalError(
      'cannot-listen',
      `http: cannot listen on ${asked} (${systemReason(error)}): choose an address of this machine and a port it may use`,
      'http',
    );
  }
  const bound = server.address() as AddressInfo;
  return joinAddress(bound.address, bound.port);
}

/**
 * Listens on a Unix socket of mode 0600. The umask is narrowed while the file is made, which Node does within the call,
 * so there is no moment when others could open it. A file left by a process that is gone is removed.
 * @throws ShoalError `socket-in-use`, `socket-unusable`, `bad-socket` naming the setting `socket`
 */
export async function listenSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES || path.includes('\0'))
    throw new ShoalError(
      'bad-socket',
      `socket: '${path}' is longer than ${SOCKET_PATH_BYTES} bytes: choose a shorter path with --socket PATH`,
      'socket',
    );
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(server, () => {
        const umask = process.umask(0o177);
        try {
          server.listen({ path });
        } finally {
          process.umask(umask);
        }
      });
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw unusable(path, error);
      if (attempt > 2 || !(await removeStale(path)))
        throw new ShoalError(
          'socket-in-use',
          `socket: '${path}' is in use by another process: stop it, or choose another with --socket PATH`,
          'socket',
        );
    }
  }
}

function unusable(path: string, error: unknown): ShoalError {
  // Node says EACCES of a missing directory too.
  const directory = dirname(path);
  const why = existsSync(directory)
    ? `${systemReason(error)}): let this user write in ${directory}`
    : `there is no ${directory}): make that directory`;
  const message = `socket: cannot create '${path}' (${why}, or choose another path with --socket PATH`;
  return new ShoalError('socket-unusable', message, 'socket');
}

/** True when the way is free: what was there is a socket that nobody answers on, and is removed. */
async function removeStale(path: string): Promise<boolean> {
  try {
    if (!(await lstat(path)).isSocket()) return false;
    if (await answers(path)) return false;
    await unlink(path);
    return true;
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}

/** Only a refused connection is proof that nobody is there. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection({ path });
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error) => resolve(codeOf(error) !== 'ECONNREFUSED'));
  });
}

function listen(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => {
      server.off('listening', onListening);
      reject(error);
    };
    const onListening = (): void => {
      server.off('error', onError);
      resolve();
    };
    server.once('error', onError);
    server.once('listening', onListening);
    start();
  });
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : String(error);
}
