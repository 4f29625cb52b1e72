import type { Store } from '../store/index.ts';
import { Call } from './call.ts';
import type { Client } from './client.ts';
import { type Command, CommandTable, type Known } from './command.ts';
import { BATCH, BROKEN, type Outcome, READY } from './request.ts';

/** Runs what clients ask for, one command after the other, and puts the replies down in order. */
export class Dispatcher {
  readonly call: Call;
  readonly #commands: CommandTable;
  readonly #batchCommands: (Known | undefined)[] = new Array<Known | undefined>(BATCH).fill(undefined);
  readonly counters = { commands: 0, unknown: 0 };

  constructor(store: Store, commands: readonly Command[]) {
    this.call = new Call(store);
    this.#commands = new CommandTable(commands);
  }

  /** Everything whole that has come from a client; replies are then in `call.reply`. */
  run(client: Client, nowMs: number): Outcome {
    const { call } = this;
    const { request } = client;
    call.client = client;
    call.request = request;
    call.nowMs = nowMs;
    call.reply.version = client.version;
    call.store.begin(nowMs);
    client.lastMs = nowMs;
    let outcome: Outcome = READY;
    while (!client.closing) {
      outcome = request.next();
      if (outcome !== READY) break;
      this.#batch(call);
    }
    if (outcome === BROKEN) {
      call.reply.error(`ERR ${request.error}`);
      client.closing = true;
    }
    return outcome;
  }

  #batch(call: Call): void {
    const { request } = call;
    const { size } = request;
    const { table } = call.store;
    const { bytes } = request.span;
    const commands = this.#batchCommands;
    for (let i = 0; i < size; i++) {
      const first = request.firsts[i] as number;
      const command = this.#commands.find(
        bytes,
        request.starts[first] as number,
        request.lengths[first] as number,
      );
      commands[i] = command;
      if (command !== undefined && command.keyFirst && (request.counts[i] as number) > 1)
        table.announce(
          i,
          request.span,
          request.starts[first + 1] as number,
          request.lengths[first + 1] as number,
        );
      else table.announceNone(i);
    }
    if (size > 1) table.fetch(size);
    for (let i = 0; i < size; i++) {
      call.select(i);
      this.#one(call, commands[i]);
    }
  }

  #one(call: Call, command: Known | undefined): void {
    this.counters.commands++;
    if (command === undefined) {
      this.#unknown(call);
      return;
    }
    const { arity } = command;
    if (arity > 0 ? call.count !== arity : call.count < -arity) {
      call.reply.error(`ERR wrong number of arguments for '${command.name}' command`);
      return;
    }
    command.run(call);
  }

  #unknown(call: Call): void {
    this.counters.unknown++;
    call.reply.error(`ERR unknown command '${call.text(0).slice(0, 128)}', with args beginning with: `);
  }
}
