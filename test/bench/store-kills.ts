import { randomBytes } from 'node:crypto';
import { appendFileSync, closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { encode, Refused, type RespSocket } from '../../src/cli/bench/socket.ts';
import { ErrorReply, readValue, type Value } from '../../src/cli/bench/values.ts';
import { FILE_HEADER_BYTES } from '../../src/store/log/format.ts';
import { sleep } from './proc.ts';
import { Ledger, valueOfWrite } from './store-ledger.ts';
import type { StoreLab, StoreServer, System } from './store-systems.ts';

const DISK_WRITERS = 4;
const MEMORY_WRITERS = 2;
const KEYS = 500;
const PIPELINE = 64;
const LOAD_MS = { min: 5, max: 400 } as const;
/** One start in so many is cut off by a kill of its own; one kill in so many finds more behind the log's end; one load in so many is saved. */
const KILLED_STARTS = 6;
const TAMPERED = 4;
const SAVED = 4;
/** One kill in so many does not wait for the first answers. */
const KILLED_EARLY = 4;
const STARTING_MS = 400;
/** Removals among the writes. */
const REMOVALS = 0.2;
const MAX_SHOWN = 20;

export interface Kills {
  kills: number;
  killedStarts: number;
  tampered: number;
  acknowledged: number;
  checked: number;
  readonly wrong: string[];
  readonly refused: string[];
  readonly servingMs: number[];
}

/**
 * Kills a server again and again under load, and reads all keys back each time. Some writers have each write acknowledged as on disk;
 * of the others' writes nothing is asked but that none is found that was never sent.
 */
export class Killing {
  readonly #lab: StoreLab;
  readonly #system: System;
  readonly #name: string;
  readonly #writers: Writer[];
  readonly #outcome: Kills = {
    kills: 0,
    killedStarts: 0,
    tampered: 0,
    acknowledged: 0,
    checked: 0,
    wrong: [],
    refused: [],
    servingMs: [],
  };

  constructor(lab: StoreLab, system: System, name: string) {
    this.#lab = lab;
    this.#system = system;
    this.#name = name;
    // Redis without a disk level of its own acknowledges by its one setting.
    const acks = system.startsWith('shoal');
    this.#writers = Array.from({ length: DISK_WRITERS + MEMORY_WRITERS }, (_, i) => {
      const onDisk = i < DISK_WRITERS;
      return new Writer(new Ledger(`${onDisk ? 'disk' : 'memory'}${i}`, KEYS), onDisk, acks);
    });
  }

  async run(kills: number, say: (line: string) => void): Promise<Kills> {
    const outcome = this.#outcome;
    let server = await this.#start();
    while (outcome.kills < kills) {
      await this.#loaded(server);
      outcome.kills++;
      if (Math.random() * TAMPERED < 1 && this.#tamper(server.directory)) outcome.tampered++;
      while (Math.random() * KILLED_STARTS < 1) await this.#killedStart();
      server = await this.#start();
      outcome.servingMs.push(server.servingMs);
      await this.#check(server);
      if (outcome.kills % 50 === 0)
        say(
          `${this.#name}: ${outcome.kills} kills: ${outcome.checked} values read, ${outcome.wrong.length} wrong`,
        );
    }
    await server.end('SIGKILL');
    outcome.acknowledged = this.#writers.reduce((sum, { ledger }) => sum + ledger.acknowledged, 0);
    outcome.refused.push(...this.#writers.flatMap(({ refused }) => refused));
    return outcome;
  }

  #start(): Promise<StoreServer> {
    return this.#lab.start(this.#system, this.#name);
  }

  async #loaded(server: StoreServer): Promise<void> {
    const loading = this.#writers.map((writer) => writer.load(server));
    const begun = Promise.all(loading.map((one) => one.begun));
    // Mostly under full load, which a server that has just started needs a while for.
    if (Math.random() * KILLED_EARLY >= 1) await begun;
    // A snapshot under way must not matter; where there is none to be had, nothing is lost.
    if (Math.random() * SAVED < 1) server.ask('BGSAVE').catch(() => {});
    await sleep(LOAD_MS.min + Math.random() * (LOAD_MS.max - LOAD_MS.min));
    await server.end('SIGKILL');
    await Promise.all(loading.map((one) => one.ended));
    await begun;
  }

  /** Killed while it reads what there is. */
  async #killedStart(): Promise<void> {
    const starting = this.#lab.launch(this.#system, this.#name);
    await sleep(Math.random() * STARTING_MS);
    await starting();
    this.#outcome.killedStarts++;
    this.#outcome.kills++;
  }

  /** Something behind the end of the newest log, as a machine that lost power leaves it. */
  #tamper(directory: string): boolean {
    const logs = readdirSync(directory).filter((name) => /^log\.\d+$/.test(name));
    const newest = logs.sort((a, b) => Number(a.slice(4)) - Number(b.slice(4))).at(-1);
    if (newest === undefined) return false;
    const path = join(directory, newest);
    // Killed while it was made: no crash leaves anything behind a header that was not written.
    if (statSync(path).size < FILE_HEADER_BYTES) return false;
    const length = 1 + Math.floor(Math.random() * 20_000);
    const kind = Math.floor(Math.random() * 3);
    if (kind === 0) appendFileSync(path, randomBytes(length));
    else if (kind === 1) appendFileSync(path, Buffer.alloc(length));
    else appendFileSync(path, tailOf(path, length));
    return true;
  }

  async #check(server: StoreServer): Promise<void> {
    const outcome = this.#outcome;
    let present = 0;
    for (const { ledger } of this.#writers) {
      const keys = Array.from({ length: ledger.keys }, (_, i) => ledger.keyOf(i));
      const values = await server.askAll(keys.map((key) => ['GET', key]));
      for (const [i, value] of values.entries()) {
        if (value instanceof ErrorReply) throw new Error(`${server.system} cannot be read: ${value.text}`);
        const text = typeof value === 'string' ? value : null;
        if (text !== null) present++;
        const wrong = ledger.found(i, text);
        outcome.checked++;
        if (wrong !== null && outcome.wrong.push(`kill ${outcome.kills}: ${wrong}`) <= MAX_SHOWN)
          console.log(outcome.wrong.at(-1));
      }
    }
    const size = Number(await server.ask('DBSIZE'));
    if (size !== present)
      outcome.wrong.push(`kill ${outcome.kills}: ${present} keys of ours are there, and ${size} in all`);
  }
}

/** One connection that writes as fast as it is answered, and remembers. */
class Writer {
  readonly ledger: Ledger;
  readonly refused: string[] = [];
  readonly #onDisk: boolean;
  readonly #asksAcks: boolean;

  constructor(ledger: Ledger, onDisk: boolean, asksAcks: boolean) {
    this.ledger = ledger;
    this.#onDisk = onDisk;
    this.#asksAcks = asksAcks;
  }

  /** Until the connection breaks; `begun`: the first answer came, or none will. */
  load(server: StoreServer): { readonly begun: Promise<void>; readonly ended: Promise<void> } {
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const work = async (): Promise<void> => {
      try {
        const socket = await opened(server, this.#asksAcks ? (this.#onDisk ? '1' : '0') : null);
        if (socket !== null) await new Promise<void>((over) => this.#work(socket, begin, over));
      } finally {
        begin();
      }
    };
    return { begun, ended: work() };
  }

  #work(socket: RespSocket, begin: () => void, over: () => void): void {
    const underWay: { index: number; serial: number }[] = [];
    let pending: Buffer = Buffer.alloc(0);
    const send = (): void => {
      const commands: Buffer[] = [];
      while (underWay.length < PIPELINE) {
        const index = Math.floor(Math.random() * this.ledger.keys);
        const { serial, removes } = this.ledger.sent(index, Math.random() < REMOVALS);
        commands.push(this.#command(index, serial, removes));
        underWay.push({ index, serial });
      }
      socket.write(Buffer.concat(commands));
    };
    const came = (bytes: Buffer): void => {
      pending = Buffer.concat([pending, bytes]);
      let at = 0;
      for (let read = readValue(pending, at); read !== null; read = readValue(pending, at)) {
        at = read.next;
        this.#answered(underWay.shift(), read.value);
        if (at === pending.length) break;
      }
      pending = Buffer.from(pending.subarray(at));
      if (at > 0) begin();
      send();
    };
    socket.handOver(came, over);
    send();
  }

  #command(index: number, serial: number, removes: boolean): Buffer {
    const key = this.ledger.keyOf(index);
    return encode(removes ? ['DEL', key] : ['SET', key, valueOfWrite(key, serial)]);
  }

  #answered(write: { index: number; serial: number } | undefined, value: Value): void {
    if (write === undefined) throw new Error('an answer to no write');
    if (value instanceof ErrorReply) this.refused.push(value.text);
    else if (this.#onDisk) this.ledger.onDisk(write.index, write.serial);
  }
}

/** Null: it was killed before. */
async function opened(server: StoreServer, disk: string | null): Promise<RespSocket | null> {
  try {
    const socket = await server.connect();
    if (disk !== null) await socket.ask(['CLIENT', 'ACKS', '1', disk]);
    return socket;
  } catch (error) {
    if (error instanceof Refused) throw error;
    return null;
  }
}

/** A part of the file's end: what a batch written twice, or half, looks like. */
function tailOf(path: string, length: number): Buffer {
  const { size } = statSync(path);
  const bytes = Buffer.alloc(Math.min(length, size));
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, bytes.length, size - bytes.length);
  closeSync(file);
  return bytes;
}
