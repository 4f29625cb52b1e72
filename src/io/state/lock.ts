import { stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { ShoalError } from '../../base/index.ts';

/**
 * Holds a directory, of the node's state or of its store, for one process. The lock is an abstract Unix socket named after the directory's device and inode:
 * the kernel drops it with the process, so that no kill, however hard, leaves a stale one, and two paths to one
 * directory are one lock. Whoever holds it answers a connection with its pid. Departure: abstract names belong to a
 * network namespace, so a daemon in another container that mounts the same directory is not seen.
 */
export class DirectoryLock {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `option`: how the directory was chosen. @throws ShoalError `state-locked` naming the holder's pid. */
  static async take(
    directory: string,
    option: 'data-dir' | 'store-dir' = 'data-dir',
  ): Promise<DirectoryLock> {
    const { dev, ino } = await stat(directory, { bigint: true });
    const name = `\0shoal-state-${dev}:${ino}`;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end(String(process.pid));
      socket.resume();
    });
    server.unref();
    server.maxConnections = 8;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ path: name, exclusive: true }, resolve);
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      const pid = await holder(name);
      throw new ShoalError(
        'state-locked',
        `the directory ${directory} is in use by ${pid === null ? 'another process' : `the daemon with pid ${pid}`}: stop it, or give this one its own --${option}`,
        option,
      );
    }
    server.on('error', () => {});
    return new DirectoryLock(server);
  }

  release(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

const HOLDER_ANSWER_MS = 1000;

function holder(name: string): Promise<number | null> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ path: name });
    const done = (): void => {
      socket.destroy();
      resolve(/^[0-9]{1,10}$/.test(text) ? Number(text) : null);
    };
    socket.setTimeout(HOLDER_ANSWER_MS, done);
    socket.on('data', (chunk) => {
      text = (text + chunk.toString('latin1')).slice(0, 11);
    });
    socket.on('error', done);
    socket.on('end', done);
  });
}
