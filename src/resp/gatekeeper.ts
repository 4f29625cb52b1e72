import { LIMITS } from '../base/index.ts';
import { type AckLevel, copiesNeeded, isPlain, levelOf, shortfall } from './ack-level.ts';
import type { Call } from './call.ts';
import { type Client, GATE } from './client.ts';
import type { Known } from './command.ts';
import { awaitDisk } from './on-disk.ts';
import { shortened } from './slow-log.ts';
import { SERVER_GATE, type ServerState } from './state.ts';

/** Commands that are run, not queued, within MULTI. */
const UNQUEUED = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);
/** What a RESP2 client with subscriptions may ask. */
const WHILE_SUBSCRIBED = new Set([
  'ping',
  'subscribe',
  'unsubscribe',
  'psubscribe',
  'punsubscribe',
  'ssubscribe',
  'sunsubscribe',
  'quit',
  'reset',
]);
const LEVEL_IN_TRANSACTION =
  'ERR ACKS is not for one command of a transaction: EXEC takes it, for all that they write';
/** A pause does not stop what ends it. */
const UNPAUSED = new Set(['client|unpause', 'quit']);

/** Of a command monitors are shown so many words, and so much of each: it is made and sent in the turn of the command. */
const MONITOR_WORDS = 64;
const MONITOR_WORD_BYTES = 1024;

interface Route {
  route(call: Call, known: Known, slot: number): boolean;
}

/**
 * The long way to a command's handler: everything that needs a look at the client or the server first (GATE, SERVER_GATE,
 * levels of acknowledgement, time). The dispatcher takes it only when there is a reason.
 */
export class Gatekeeper {
  readonly #server: ServerState;
  readonly #dispatcher: Route;

  constructor(server: ServerState, dispatcher: Route) {
    this.#server = server;
    this.#dispatcher = dispatcher;
  }

  /** `slot` is that of the first key, or -1; the last `levelWords` arguments are `ACKS m d [ms]`. */
  pass(call: Call, known: Known, slot: number, levelWords: number): void {
    const { client } = call;
    const refusal = this.#refusal(call, known, levelWords);
    if (refusal !== '') {
      this.refuse(call, known, refusal);
      return;
    }
    const from = this.#unsilenced(call);
    if (this.#isPaused(call, known)) {
      this.#server.paused.add(client);
      call.putBack(known);
    } else if (client.transaction !== null && !UNQUEUED.has(known.name)) this.#queue(call, known, slot);
    else if (this.#dispatcher.route(call, known, slot)) this.#here(call, known, levelWords);
    if (!call.isPutBack) this.#silence(call, from);
  }

  /**
   * Answers with an error in the place of a command (undefined: an unknown one), which is not run. That spoils the transaction it
   * is in; of EXEC, it ends it.
   */
  refuse(call: Call, known: Known | undefined, error: string): void {
    const from = this.#unsilenced(call);
    this.#reject(call, known, error);
    this.#silence(call, from);
  }

  /** Runs a part of a command, of which it is decided that it runs here. */
  runPart(call: Call, known: Known): void {
    const full = this.#full(call, known);
    if (full === '') this.run(call, known);
    else this.#reject(call, known, full);
  }

  /** Runs a command, with an eye on time, watched keys, and those who watch. */
  run(call: Call, known: Known): void {
    const { gates } = this.#server;
    const from = call.reply.length;
    if (known.timed || gates & SERVER_GATE.timed) {
      const started = performance.now();
      call.run(known);
      this.#took(call, known, (performance.now() - started) * 1000);
    } else call.run(known);
    if (call.reply.isErrorAt(from)) known.failed++;
    if (gates & SERVER_GATE.monitors) this.#showMonitors(call, known);
    if (gates & SERVER_GATE.watches && known.isWrite) this.#server.watches.written(call);
  }

  #refusal(call: Call, known: Known, levelWords: number): string {
    const { client } = call;
    if (client.gates & GATE.unauthenticated && !known.has('no_auth'))
      return 'NOAUTH Authentication required.';
    if (client.gates & GATE.transaction) {
      if (known.has('no_multi')) return 'ERR Command not allowed inside a transaction';
      if (levelWords > 0 && !UNQUEUED.has(known.name)) return LEVEL_IN_TRANSACTION;
    }
    if (client.gates & GATE.subscribed && !WHILE_SUBSCRIBED.has(known.name))
      return `ERR Can't execute '${known.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
    return '';
  }

  /** Why this node's store takes no such command: asked of what runs here only. */
  #full({ client, store }: Call, known: Known): string {
    if ((this.#server.gates & SERVER_GATE.refusing) === 0) return '';
    const transaction = known.name === 'exec' ? client.transaction : null;
    const writes = transaction?.writes ?? known.isWrite;
    if (writes && store.blocked !== null) return store.blocked;
    const needsRoom = transaction?.deniesOom ?? known.deniesOom;
    return needsRoom ? (store.refusal ?? '') : '';
  }

  #reject({ client, reply }: Call, known: Known | undefined, error: string): void {
    client.prepared = null;
    if (known !== undefined) known.rejected++;
    if (known?.name === 'exec') {
      this.#server.endTransaction(client);
      reply.error(`EXECABORT Transaction discarded because of: ${error.replace(/^ERR /, '')}`);
    } else reply.error(error);
    if (client.transaction !== null) client.transaction.failed = true;
  }

  /** A command that runs here, if the store takes it; when it has no room for changes now, they are run later. */
  #here(call: Call, known: Known, levelWords: number): void {
    const { client } = call;
    if (this.#server.waitsForRoom(call, changesMessages(client, known))) return;
    const full = this.#full(call, known);
    if (full === '') this.#levelled(call, known, levelWords);
    else this.#reject(call, known, full);
  }

  #isPaused(call: Call, known: Known): boolean {
    const server = this.#server;
    if ((server.gates & SERVER_GATE.paused) === 0) return false;
    if (call.nowMs >= server.pausedUntilMs) {
      server.unpause();
      return false;
    }
    if (UNPAUSED.has(known.name)) return false;
    if (!server.pausesWritesOnly) return true;
    return known.name === 'publish' || known.name === 'spublish' || changesMessages(call.client, known);
  }

  #queue(call: Call, known: Known, slot: number): void {
    const transaction = call.client.transaction;
    if (transaction === null) return;
    if (!this.#dispatcher.route(call, known, slot)) {
      transaction.failed = true;
      return;
    }
    const full = this.#server.router?.ownerOf(transaction) ? '' : this.#full(call, known);
    if (full !== '') {
      this.#reject(call, known, full);
      return;
    }
    if (transaction.count >= LIMITS.transactionCommands || transaction.length > LIMITS.transactionBytes) {
      transaction.failed = true;
      call.reply.error('ERR too many commands in a transaction');
      return;
    }
    transaction.add(call, known);
    transaction.owners = Math.max(transaction.owners, this.#owners(call, known));
    call.reply.simple('QUEUED');
  }

  /** Sees to it that the write is acknowledged as it should be: not begun, or its reply held back. */
  #levelled(call: Call, known: Known, levelWords: number): void {
    const { client } = call;
    const writes = changesMessages(client, known);
    let level = client.acks;
    if (levelWords > 0) {
      const own = levelOfWords(call, levelWords);
      if (own === null) {
        call.reply.error('ERR ACKS takes m d [ms]: copies in memory, copies on disk, and a timeout');
        return;
      }
      level = own;
      call.drop(levelWords);
    } else if (writes && client.acksNext !== null) {
      level = client.acksNext;
      client.useLevelOnce(null);
    }
    if (!writes || isPlain(level)) this.run(call, known);
    else this.#acknowledged(call, known, level);
  }

  /** Of the slots of a command's keys, the most that one has. */
  #owners(call: Call, known: Known): number {
    const { router } = this.#server;
    let most = 1;
    if (router === null) return most;
    for (const i of known.keysOf(call.count)) {
      const slot = call.store.table.name(call.span, call.startOf(i), call.lengthOf(i));
      most = Math.max(most, router.owners(slot));
    }
    return most;
  }

  #acknowledged(call: Call, known: Known, level: AckLevel): void {
    const { client, reply } = call;
    const { backend } = call.store;
    const owners = client.transaction?.owners ?? this.#owners(call, known);
    const missing = shortfall(level, owners, backend.durable);
    if (missing !== '') {
      reply.error(missing);
      if (known.name === 'exec') this.#server.endTransaction(client);
      return;
    }
    if (copiesNeeded(level.disk, owners) === 0) {
      this.run(call, known);
      return;
    }
    const before = backend.sequence;
    // What was answered before need not wait for this one.
    if (!client.holds) client.outlet.flush();
    this.run(call, known);
    if (backend.sequence === before) return;
    if (level.timeoutMs === 0 || client.holds) client.holds = true;
    else this.#holdUpTo(call, level);
  }

  /** The reply waits for the disk, but not longer than the level says. */
  #holdUpTo(call: Call, level: AckLevel): void {
    const { client, reply } = call;
    const { isSilent } = client;
    const told = reply.takeWhole();
    const place = client.outlet.place();
    awaitDisk(call.store, level, (error) => {
      const answer = error === '' ? told : Buffer.from(`-${error}\r\n`);
      client.outlet.fill(place, isSilent ? new Uint8Array(0) : answer);
    });
  }

  #showMonitors(call: Call, known: Known): void {
    if (known.has('admin') || known.has('skip_monitor')) return;
    const seconds = (call.nowMs / 1000).toFixed(6);
    let line = `+${seconds} [0 ${call.client.address}]`;
    const words = Math.min(call.count, MONITOR_WORDS);
    for (let i = 0; i < words; i++) {
      line += ` ${quoted(shownWord(call, known, i, MONITOR_WORD_BYTES))}`;
      const more = call.lengthOf(i) - MONITOR_WORD_BYTES;
      if (more > 0) line += `... (${more} more bytes)`;
    }
    if (call.count > words) line += ` ... (${call.count - words} more arguments)`;
    const bytes = Uint8Array.from(Buffer.from(`${line}\r\n`, 'latin1'));
    for (const client of this.#server.monitors) if (client !== call.client) client.outlet.push(bytes);
  }

  #took(call: Call, known: Known, usec: number): void {
    const { settings, slowLog, latency } = this.#server;
    known.took(usec);
    if (settings.slowerThanUsec >= 0 && usec >= settings.slowerThanUsec && !known.has('skip_slowlog')) {
      const words = shortened(
        call.count,
        (i) => call.lengthOf(i),
        (i, most) => shownWord(call, known, i, most),
      );
      slowLog.add(
        {
          atMs: call.nowMs,
          usec: Math.round(usec),
          words,
          address: call.client.address,
          clientName: call.client.name,
        },
        settings.number('slowlog-max-len'),
      );
    }
    const threshold = settings.latencyThresholdMs;
    if (threshold > 0 && usec >= threshold * 1000)
      latency.event(known.has('fast') ? 'fast-command' : 'command', usec / 1000, call.nowMs);
  }

  /** Where in the reply a command's answer begins; of a client that may not want it, with nothing before it. */
  #unsilenced(call: Call): number {
    if (call.client.gates & GATE.silent) {
      call.client.outlet.flush();
      call.kept = 0;
    }
    return call.reply.length;
  }

  /** CLIENT REPLY OFF and SKIP. */
  #silence(call: Call, from: number): void {
    const { client, reply } = call;
    if ((client.gates & GATE.silent) === 0) return;
    if (client.replies === 'skip-next') client.replies = 'skip';
    else {
      reply.cut(Math.min(Math.max(from, call.kept), reply.length));
      if (client.replies === 'off') return;
      client.replies = 'on';
      client.gate(GATE.silent, false);
    }
  }
}

function changesMessages({ transaction }: Client, known: Known): boolean {
  return known.isWrite || (known.name === 'exec' && transaction?.writes === true);
}

function levelOfWords(call: Call, words: number): AckLevel | null {
  const at = call.count - words;
  return levelOf(call.text(at + 1), call.text(at + 2), words === 4 ? call.text(at + 3) : '');
}

/** Argument `i` for monitors and the slow log, which show no passwords. */
function shownWord(call: Call, known: Known, i: number, most?: number): string {
  const isSecret =
    (known.name === 'auth' && i > 0) ||
    (known.name === 'hello' && i > 2 && (call.is(i - 1, 'AUTH') || call.is(i - 2, 'AUTH'))) ||
    (known.name === 'config|set' && i > 2 && call.is(i - 1, 'REQUIREPASS'));
  return isSecret ? '(redacted)' : call.text(i, most);
}

/** As Redis shows arguments to monitors. */
export function quoted(text: string): string {
  let out = '"';
  for (const char of text) {
    const code = char.charCodeAt(0);
    const escaped = ESCAPES.get(char);
    if (escaped !== undefined) out += escaped;
    else out += code >= 0x20 && code < 0x7f ? char : `\\x${code.toString(16).padStart(2, '0')}`;
  }
  return `${out}"`;
}

const ESCAPES = new Map([
  ['\\', '\\\\'],
  ['"', '\\"'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\x07', '\\a'],
  ['\b', '\\b'],
]);
