import { type ReadThrough, Span } from '../store/index.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import type { Known } from './command.ts';
import type { Transaction } from './transaction.ts';

/** After so many reads in vain everything that is read stays, until the command has run, or memory is full. */
const TRIES = 3;
const TOO_MUCH =
  'OOM the command asks for more messages at once than there is memory for (store_memory): ask for fewer';

/** Goes to each command of a transaction, which is the one selected meanwhile. */
export type EachQueued = (call: Call, transaction: Transaction, visit: (known: Known) => boolean) => boolean;
type Refuse = (call: Call, known: Known, error: string) => void;

/**
 * Has what a command needs read into memory before it runs, where the table is a cache. Its connection waits, as for any command whose
 * answer comes later, and the command is put back to be run when all of it is there.
 */
export class ColdKeys {
  readonly #disk: ReadThrough;
  readonly #eachQueued: EachQueued;
  readonly #refuse: Refuse;
  /** Clients that wait, and how often they have. */
  readonly #tries = new Map<Client, number>();
  /** Those of them for whom it stays. */
  readonly #holders = new Set<Client>();

  constructor(disk: ReadThrough, eachQueued: EachQueued, refuse: Refuse) {
    this.#disk = disk;
    this.#eachQueued = eachQueued;
    this.#refuse = refuse;
  }

  /** Whether the command may run now; else it waits, or was refused. */
  ready(call: Call, known: Known): boolean {
    if (!call.client.authenticated) return true;
    const cold: Uint8Array[] = [];
    if (known.oneKey) this.#look(call, 1, cold);
    else if (known.name === 'exec') this.#lookInTransaction(call, cold);
    else this.#lookAtAll(call, known, cold);
    if (cold.length === 0) {
      if (this.#tries.size > 0) this.#done(call.client);
      return true;
    }
    if (this.#disk.isFull && this.#holders.has(call.client)) {
      this.#done(call.client);
      this.#refuse(call, known, TOO_MUCH);
    } else this.#wait(call, cold);
    return false;
  }

  #look(call: Call, i: number, cold: Uint8Array[]): void {
    if (this.#disk.isCold(call.span, call.startOf(i), call.lengthOf(i))) cold.push(call.bytes(i));
  }

  #lookAtAll(call: Call, known: Known, cold: Uint8Array[]): void {
    for (const i of known.keysOf(call.count)) this.#look(call, i, cold);
  }

  #lookInTransaction(call: Call, cold: Uint8Array[]): void {
    const { client, request, index } = call;
    for (const name of client.watched.keys()) {
      const key = Buffer.from(name, 'latin1');
      if (this.#disk.isCold(new Span(key), 0, key.length)) cold.push(key);
    }
    if (client.transaction === null) return;
    this.#eachQueued(call, client.transaction, (known) => {
      this.#lookAtAll(call, known, cold);
      return true;
    });
    call.request = request;
    call.select(index);
  }

  #wait(call: Call, cold: readonly Uint8Array[]): void {
    const { client, request } = call;
    const tries = (this.#tries.get(client) ?? 0) + 1;
    this.#tries.set(client, tries);
    // While others fill the memory, the turns that this one waits for make room.
    if (tries >= TRIES && !this.#disk.isFull && !this.#holders.has(client)) {
      this.#holders.add(client);
      this.#disk.hold();
    }
    const ahead = this.#ahead(call);
    request.putBack(call.index);
    call.halt = true;
    // It may go also between what it was read for and its next turn, when it does not wait.
    client.onGone = () => this.#done(client);
    const blocked = { unblock: () => false, cancel: () => {} };
    client.blocked = blocked;
    this.#disk.read(cold, () => {
      if (client.blocked !== blocked) return;
      client.blocked = null;
      client.outlet.resume();
    });
    if (ahead.length > 0) this.#disk.read(ahead, () => {});
  }

  /** What the next commands of the batch are about, most likely: it is read together with what is needed now. */
  #ahead({ request, index }: Call): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (let i = index + 1; i < request.size; i++) {
      if ((request.counts[i] as number) < 2) continue;
      const argument = (request.firsts[i] as number) + 1;
      const at = request.starts[argument] as number;
      const length = request.lengths[argument] as number;
      if (this.#disk.isCold(request.span, at, length)) keys.push(request.span.bytes.slice(at, at + length));
    }
    return keys;
  }

  #done(client: Client): void {
    this.#tries.delete(client);
    client.onGone = null;
    if (this.#holders.delete(client)) this.#disk.letGo();
  }
}
