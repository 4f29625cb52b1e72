import { LIMITS } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import { Call } from './call.ts';
import type { Client } from './client.ts';
import { ColdKeys } from './cold.ts';
import type { Known } from './command.ts';
import { TAKES_TOO_LONG, wrongArity } from './commands/errors.ts';
import { Gatekeeper } from './gatekeeper.ts';
import type { LargeRequest } from './large-request.ts';
import { BATCH, BROKEN, NEED_MORE, type Outcome, READY, RequestReader } from './request.ts';
import { ROLE } from './role.ts';
import { SERVER_GATE, type ServerState } from './state.ts';
import type { Transaction } from './transaction.ts';

/** Bytes of replies after which a client's next commands wait for another turn, so that what it reads slowly stays small. */
const REPLY_BYTES = 256 * 1024;
/** Of an unknown command's arguments the error shows about so many bytes, as Redis does. */
const SHOWN_BYTES = 128;

const TOO_MANY_ARGUMENTS = `ERR too many arguments: at most ${LIMITS.respArguments - 1}`;

const TOO_MUCH_TO_TELL = `ERR not run: the replies of this transaction are more than ${LIMITS.respReplyBytes >> 20} MB`;

/** Work that is done in steps elsewhere is done at once in a transaction, but not for longer than nobody minds. */
const STEPS_MS = 500;

/** Runs what clients ask for, one command after the other, and puts the replies down in order. */
export class Dispatcher {
  readonly call: Call;
  readonly server: ServerState;
  readonly counters = { commands: 0, unknown: 0 };
  readonly #gatekeeper: Gatekeeper;
  /** Null: all messages are in memory. */
  readonly #cold: ColdKeys | null;
  readonly #batchCommands: (Known | undefined)[] = new Array<Known | undefined>(BATCH).fill(undefined);
  readonly #batchSlots = new Int32Array(BATCH);

  constructor(store: Store, server: ServerState) {
    this.server = server;
    this.call = new Call(store, server);
    this.#gatekeeper = new Gatekeeper(server, this);
    const disk = store.backend.readThrough;
    this.#cold =
      disk === null
        ? null
        : new ColdKeys(
            disk,
            (...queued) => this.#eachQueued(...queued),
            (...refused) => this.#gatekeeper.refuse(...refused),
          );
    server.commandsRun = () => this.counters.commands;
    server.resetCommands = () => {
      this.counters.commands = 0;
      this.call.reply.errorCounts.clear();
    };
    server.runQueued = (call, transaction) => this.runQueued(call, transaction);
    server.runPart = (call, known) => this.#gatekeeper.runPart(call, known);
  }

  /**
   * Runs about `limit` commands of what has come from a client; replies are then in `call.reply`. READY when there is, or may
   * be, more to run; NEED_MORE when there is not; BROKEN when the connection must be closed.
   */
  run(client: Client, nowMs: number, limit = Infinity): Outcome {
    const { call } = this;
    const { request } = client;
    call.client = client;
    call.request = request;
    call.nowMs = nowMs;
    call.halt = false;
    call.reply.version = client.version;
    call.store.begin(nowMs);
    this.server.router?.begin(nowMs);
    this.server.gate(SERVER_GATE.refusing, call.store.refusal !== null || call.store.blocked !== null);
    this.server.gate(SERVER_GATE.congested, call.store.backend.congested);
    client.lastMs = nowMs;
    let left = limit;
    while (!client.closing) {
      const outcome = request.next();
      if (outcome === NEED_MORE) return NEED_MORE;
      if (outcome === BROKEN) {
        if (request.isHttp) this.server.sawHttp(client);
        call.reply.error(`ERR ${request.error}`);
        client.closing = true;
        return BROKEN;
      }
      if (request.large !== null && this.#assembles(call, request.large)) return READY;
      left -= request.size;
      this.#batch(call);
      if (call.halt || left <= 0 || call.reply.length > REPLY_BYTES) return READY;
    }
    return NEED_MORE;
  }

  /** Whether a large command is still to be put together, for who needs it in one piece: a step of that was done. */
  #assembles(call: Call, large: LargeRequest): boolean {
    const { request, client } = call;
    call.select(0);
    const known = this.server.commands.find(call.span.bytes, call.startOf(0), call.lengthOf(0));
    // An unknown one is only shown, one with too many arguments refused.
    if (known === undefined || call.count > LIMITS.respArguments) return false;
    if (!large.isAssembling && known.takesRopes && call.ropeOf(1) === null && client.transaction === null) {
      const slot = call.store.table.name(call.span, call.startOf(1), call.lengthOf(1));
      if (client.role === ROLE.local || this.server.router === null || this.server.router.state[slot] === 0)
        return false;
    }
    if (large.isFlat) {
      const inner = known.subcommands?.find(call.span.bytes, call.startOf(1), call.lengthOf(1)) ?? known;
      if (!large.hashes(inner.keysOf(call.count))) return false;
    } else large.assemble();
    request.putBack(0);
    return true;
  }

  #batch(call: Call): void {
    const { request, reply } = call;
    const { size } = request;
    const { table } = call.store;
    const { bytes } = request.span;
    const commands = this.#batchCommands;
    const slots = this.#batchSlots;
    for (let i = 0; i < size; i++) {
      const first = request.firsts[i] as number;
      const command = this.server.commands.find(
        bytes,
        request.starts[first] as number,
        request.lengths[first] as number,
      );
      commands[i] = command;
      if (command?.keyFirst && (request.counts[i] as number) > 1) {
        table.announce(
          i,
          request.span,
          request.starts[first + 1] as number,
          request.lengths[first + 1] as number,
        );
        slots[i] = table.slot;
      } else {
        table.announceNone(i);
        slots[i] = -1;
      }
    }
    if (size > 1) table.fetch(size);
    this.counters.commands += size;
    call.client.last = commands[size - 1] ?? null;
    for (let i = 0; i < size; i++) {
      call.select(i);
      this.#one(call, commands[i], slots[i] as number);
      if (call.halt || reply.length > REPLY_BYTES) {
        // A command that is to be run again has put itself back.
        if (i + 1 < request.size) request.putBack(i + 1);
        this.counters.commands -= size - request.size;
        return;
      }
    }
  }

  /** One command, with the slot of its first key, or -1. */
  #one(call: Call, found: Known | undefined, slot: number): void {
    let known = found;
    if (known === undefined || known.subcommands !== null) known = this.#inContainer(call, known);
    if (known === undefined) return;
    const { arity } = known;
    const levelWords = call.count >= known.acksFrom ? call.levelWords(known) : 0;
    const count = call.count - levelWords;
    if (arity > 0 ? count !== arity : count < -arity || count > LIMITS.respArguments) {
      const isLong = arity < 0 && count > LIMITS.respArguments;
      this.#gatekeeper.refuse(call, known, isLong ? TOO_MANY_ARGUMENTS : wrongArity(known.name));
      return;
    }
    if (this.#cold !== null && !this.#cold.ready(call, known)) return;
    known.calls++;
    call.known = known;
    if ((call.client.gates | this.server.gates) !== 0 || levelWords > 0 || known.timed)
      this.#gatekeeper.pass(call, known, slot, levelWords);
    else if (this.route(call, known, slot)) call.run(known);
  }

  /** Whether a command runs here; else it has been answered, or will be. */
  route(call: Call, known: Known, slot: number): boolean {
    const { router } = this.server;
    if (router === null) return true;
    if (known.oneKey && slot >= 0 && router.state[slot] === 0) return true;
    const { role } = call.client;
    if (role === ROLE.local || (role === ROLE.cluster && !known.hasKeys)) return true;
    return router.route(call, known);
  }

  /**
   * Runs what MULTI collected, if all of it runs here still; else the reply is what the router says. The batch that EXEC came in
   * is read again from the next command on.
   */
  runQueued(call: Call, transaction: Transaction): void {
    const { request, index } = call;
    call.inTransaction = true;
    call.stepsLeftMs = STEPS_MS;
    if (this.#eachQueued(call, transaction, (known, slot) => this.route(call, known, slot))) {
      const most = call.reply.heldBytes + LIMITS.respReplyBytes;
      const endMs = performance.now() + STEPS_MS;
      call.reply.array(transaction.count);
      this.#eachQueued(call, transaction, (known) => {
        if (call.reply.heldBytes > most) {
          call.reply.error(TOO_MUCH_TO_TELL);
          return true;
        }
        // Writes are all done, or none; of the others those that may take long are left out.
        if (known.timed && !known.isWrite && performance.now() > endMs) {
          call.reply.error(TAKES_TOO_LONG);
          return true;
        }
        known.calls++;
        call.known = known;
        this.#gatekeeper.run(call, known);
        return true;
      });
    }
    call.inTransaction = false;
    call.request = request;
    call.select(index);
    call.halt = true;
  }

  /** Goes to each queued command, until one gives false. */
  #eachQueued(call: Call, { bytes }: Transaction, visit: (known: Known, slot: number) => boolean): boolean {
    const { commands } = this.server;
    const { table } = call.store;
    const reader = new RequestReader();
    reader.feed(bytes);
    call.request = reader;
    while (reader.next() === READY) {
      const { span, size } = reader;
      for (let i = 0; i < size; i++) {
        call.select(i);
        const outer = commands.find(span.bytes, call.startOf(0), call.lengthOf(0));
        const inner = outer?.subcommands?.find(span.bytes, call.startOf(1), call.lengthOf(1));
        const known = inner ?? outer;
        if (known === undefined) continue;
        if (known.keyFirst) table.announce(i, span, call.startOf(1), call.lengthOf(1));
        if (!visit(known, known.keyFirst ? table.slot : -1)) return false;
      }
    }
    return true;
  }

  /** The subcommand meant, or what else is to be run; undefined when an error was given. */
  #inContainer(call: Call, container: Known | undefined): Known | undefined {
    if (container === undefined) {
      this.counters.unknown++;
      this.#gatekeeper.refuse(call, undefined, unknownText(call));
      return undefined;
    }
    if (call.count < 2) return container;
    const known = container.subcommands?.find(call.span.bytes, call.startOf(1), call.lengthOf(1));
    if (known === undefined) {
      this.counters.unknown++;
      const name = call.shown(1).slice(0, SHOWN_BYTES);
      const error = `ERR unknown subcommand '${name}'. Try ${container.name.toUpperCase()} HELP.`;
      this.#gatekeeper.refuse(call, undefined, error);
    } else if (call.client.last === container) call.client.last = known;
    return known;
  }
}

function unknownText(call: Call): string {
  let shown = '';
  for (let i = 1; i < call.count && shown.length < SHOWN_BYTES; i++)
    shown += `'${call.shown(i).slice(0, SHOWN_BYTES - shown.length)}' `;
  return `ERR unknown command '${call.shown(0).slice(0, SHOWN_BYTES)}', with args beginning with: ${shown}`;
}
