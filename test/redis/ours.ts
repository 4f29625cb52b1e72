import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROLE } from '../../src/resp/role.ts';
import { RespServer } from '../../src/resp/server.ts';
import { FakeNodes } from '../../src/resp/testing/fake-nodes.ts';
import { MessageTable, Stamps, Store } from '../../src/store/index.ts';
import { LevelBackend } from '../../src/store/level/level-backend.ts';
import { LogBackend } from '../../src/store/log/log-backend.ts';
import { type Connection, connect } from './connection.ts';

/** A node of a group, which has all slots, at its cluster's port. */
export class OursInCluster {
  readonly #nodes = new FakeNodes();
  port = 0;

  async start(): Promise<void> {
    const { id, ports } = await this.#nodes.add();
    this.#nodes.map.register(id, 0, 0xffffffff);
    this.port = ports.get(ROLE.cluster) ?? 0;
  }

  connect(): Promise<Connection> {
    return connect(this.port);
  }

  async stop(): Promise<void> {
    await this.#nodes[Symbol.asyncDispose]();
  }
}

/** Our server, in this process, with nothing on disk. */
export class Ours {
  readonly #server = new RespServer(new Store());
  #port = 0;

  async start(): Promise<void> {
    this.#port = await this.#server.listen(0, '127.0.0.1');
  }

  connect(): Promise<Connection> {
    return connect(this.#port);
  }

  async stop(): Promise<void> {
    await this.#server.close();
  }
}

const QUIET = { info: () => {}, warn: () => {} };
/** Small files are compacted, too, and soon. */
const LOG = { flushMs: 1, compactFloorBytes: 1 << 16 };
/** Nothing stays in memory that is on disk and was not used lately. */
const LEVEL = { flushMs: 1, cacheShare: 0, reserveBytes: 0 };

/** Our server, in this process, on a temporary directory, as a node that is stopped and started again. */
export class OursOnDisk {
  readonly #kind: 'log' | 'leveldb';
  #directory = '';
  #store: Store | null = null;
  #server: RespServer | null = null;
  #port = 0;
  /** Messages that were not in memory when they were asked for. */
  reads = 0;

  constructor(kind: 'log' | 'leveldb') {
    this.#kind = kind;
  }

  async start(): Promise<void> {
    if (this.#directory === '') this.#directory = await mkdtemp(join(tmpdir(), 'shoal-redis-'));
    const stamps = new Stamps(1);
    const table = new MessageTable(stamps);
    table.nowMs = Date.now();
    const options = { directory: join(this.#directory, 'store'), actor: 1, notices: QUIET, maxDiskBytes: 0 };
    const backend =
      this.#kind === 'log'
        ? await LogBackend.open(table, stamps, { ...options, compress: true, salvage: false, tuning: LOG })
        : await LevelBackend.open(table, stamps, { ...options, maxMemoryBytes: 256 << 20, tuning: LEVEL });
    this.#store = new Store(table, backend);
    this.#server = new RespServer(this.#store);
    this.#port = await this.#server.listen(0, '127.0.0.1');
  }

  connect(): Promise<Connection> {
    return connect(this.#port);
  }

  /** Begins a snapshot, where there are any; whoever stops it meanwhile leaves half of one. */
  save(): void {
    this.#store?.backend.save();
  }

  async restart(): Promise<void> {
    await this.#close();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #close(): Promise<void> {
    await this.#server?.close();
    this.reads += this.#store?.backend.readThrough?.counters().reads ?? 0;
    await this.#store?.close();
  }
}
