import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connection, connect } from './connection.ts';

/** Whether Debian's redis-server is here; the differential tests are about the version they were written against. */
export function redisVersion(): string | null {
  const { stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return /v=(\d+\.\d+\.\d+)/.exec(stdout ?? '')?.[1] ?? null;
}

/** A redis-server of the test's own: free port, temporary directory, nothing on disk. */
export class RedisServer {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #dir: string;

  private constructor(port: number, child: ChildProcess, dir: string) {
    this.port = port;
    this.#process = child;
    this.#dir = dir;
  }

  static async start(more: readonly string[] = []): Promise<RedisServer> {
    const port = await freePort();
    const dir = mkdtempSync(join(tmpdir(), 'shoal-redis-'));
    const options = `--port ${port} --bind 127.0.0.1 --databases 1 --dir ${dir} --appendonly no --enable-debug-command yes`;
    const child = spawn('redis-server', [...options.split(' '), '--save', '', ...more], { stdio: 'ignore' });
    const server = new RedisServer(port, child, dir);
    for (const deadline = Date.now() + 20_000; ; ) {
      const connection = await server.connect().catch(() => null);
      if (connection !== null) {
        connection.end();
        return server;
      }
      if (Date.now() > deadline || child.exitCode !== null) {
        await server.stop();
        throw new Error('redis-server does not start');
      }
    }
  }

  /** A cluster of one node, with all slots. */
  static async startCluster(): Promise<RedisServer> {
    const bus = String(await freePort());
    const server = await RedisServer.start(
      `--cluster-enabled yes --cluster-port ${bus} --cluster-announce-ip 127.0.0.1`.split(' '),
    );
    const connection = await server.connect();
    await connection.ask([['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']]);
    for (const deadline = Date.now() + 20_000; ; ) {
      const [info] = await connection.ask([['CLUSTER', 'INFO']]);
      if (info?.text?.includes('cluster_state:ok')) break;
      if (Date.now() > deadline) throw new Error('the cluster of one does not begin to serve');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    connection.end();
    return server;
  }

  connect(): Promise<Connection> {
    return connect(this.port);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null) {
      const gone = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await gone;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
