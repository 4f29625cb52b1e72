import { afterAll, beforeAll, expect } from 'vitest';
import type { Connection } from './connection.ts';
import type { Ours, OursOnDisk } from './ours.ts';
import { RedisServer } from './redis-server.ts';
import { version } from './runs.ts';

/** Ours and a redis-server, which run for as long as the tests of the `describe` in which it is made. */
export class Beside {
  readonly #ours: Ours | OursOnDisk;
  #theirs: RedisServer | null = null;

  constructor(ours: Ours | OursOnDisk) {
    this.#ours = ours;
    beforeAll(async () => {
      expect(version, 'redis-server is installed').not.toBe(null);
      this.#theirs = await RedisServer.start();
      await ours.start();
    });
    afterAll(async () => {
      await this.#theirs?.stop();
      await ours.stop();
    });
  }

  /** A connection to each, ours first. */
  async connect(): Promise<[ours: Connection, theirs: Connection]> {
    if (this.#theirs === null) throw new Error('redis-server does not run yet');
    return Promise.all([this.#ours.connect(), this.#theirs.connect()]);
  }

  /** The same with a connection to each, which are ended after it. */
  async with<T>(protocol: number, use: (ours: Connection, theirs: Connection) => Promise<T>): Promise<T> {
    const pair = await this.connect();
    try {
      for (const connection of pair) await connection.ask([['HELLO', String(protocol)]]);
      return await use(...pair);
    } finally {
      for (const connection of pair) connection.end();
    }
  }
}
