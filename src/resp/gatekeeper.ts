import { LIMITS } from '../base/index.ts';
import { type AckLevel, copiesNeeded, isPlain, levelOf, shortfall } from './ack-level.ts';
import type { Call } from './call.ts';
import { GATE } from './client.ts';
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
/** Not shown to monitors, nor in the slow log: they carry passwords. */
const SECRET = new Set(['auth', 'hello', 'config|set']);
/** A pause does not stop what ends it. */
const UNPAUSED = new Set(['client|unpause', 'quit']);

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
    const { client, reply } = call;
    const from = reply.length;
    const refusal = this.#refusal(call, known);
    if (refusal !== '') {
      known.rejected++;
      reply.error(refusal);
      if (client.transaction !== null) client.transaction.failed = true;
    } else if (this.#isPaused(call, known)) {
      known.calls--;
      call.request.putBack(call.index);
      this.#server.paused.add(client);
      call.halt = true;
      return;
    } else if (client.transaction !== null && !UNQUEUED.has(known.name)) this.#queue(call, known, slot);
    else if (this.#dispatcher.route(call, known, slot)) this.#levelled(call, known, slot, levelWords);
    if (client.gates & GATE.silent && !call.isPutBack) this.#silence(call, known, from);
  }

  /** Runs a command, with an eye on time, watched keys, and those who watch. */
  run(call: Call, known: Known): void {
    const { gates } = this.#server;
    if (gates & SERVER_GATE.monitors) this.#showMonitors(call, known);
    const from = call.reply.length;
    if (known.timed || gates & SERVER_GATE.timed) {
      const started = performance.now();
      known.run(call);
      this.#took(call, known, (performance.now() - started) * 1000);
    } else known.run(call);
    if (call.reply.isErrorAt(from)) known.failed++;
    if (gates & SERVER_GATE.watches && known.isWrite) this.#server.watches.written(call);
  }

  /** A reply that is not wanted, of a command that was none. */
  quiet(call: Call): void {
    if (call.client.replies === 'skip') call.client.replies = 'on';
  }

  #refusal(call: Call, known: Known): string {
    const { client, store } = call;
    if (client.gates & GATE.unauthenticated && !known.has('no_auth'))
      return 'NOAUTH Authentication required.';
    if (client.gates & GATE.transaction && known.has('no_multi'))
      return 'ERR Command not allowed inside a transaction';
    if (client.gates & GATE.subscribed && !WHILE_SUBSCRIBED.has(known.name))
      return `ERR Can't execute '${known.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
    if (this.#server.gates & SERVER_GATE.refusing) {
      const transaction = known.name === 'exec' ? client.transaction : null;
      const writes = transaction?.writes ?? known.isWrite;
      if (writes && store.blocked !== null) return store.blocked;
      if ((transaction?.deniesOom ?? known.deniesOom) && store.refusal !== null) return store.refusal;
    }
    return '';
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
    const writes = known.isWrite || known.name === 'publish' || known.name === 'spublish';
    return writes || (known.name === 'exec' && call.client.transaction?.writes === true);
  }

  #queue(call: Call, known: Known, slot: number): void {
    const transaction = call.client.transaction;
    if (transaction === null) return;
    if (!this.#dispatcher.route(call, known, slot)) {
      transaction.failed = true;
      return;
    }
    if (transaction.count >= LIMITS.transactionCommands || transaction.length > LIMITS.transactionBytes) {
      transaction.failed = true;
      call.reply.error('ERR too many commands in a transaction');
      return;
    }
    transaction.add(call, known);
    call.reply.simple('QUEUED');
  }

  /** Sees to it that the write is acknowledged as it should be: not begun, or its reply held back. */
  #levelled(call: Call, known: Known, slot: number, levelWords: number): void {
    const { client } = call;
    const writes = known.isWrite || (known.name === 'exec' && client.transaction?.writes === true);
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
    else this.#acknowledged(call, known, slot, level);
  }

  #acknowledged(call: Call, known: Known, slot: number, level: AckLevel): void {
    const { client, reply } = call;
    const { router } = this.#server;
    const { backend } = call.store;
    const owners = slot >= 0 && router !== null ? router.owners(slot) : 1;
    const missing = shortfall(level, owners, backend.durable);
    if (missing !== '') {
      reply.error(missing);
      if (known.name === 'exec') {
        client.transaction = null;
        client.gate(GATE.transaction, false);
        this.#server.unwatch(client);
      }
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
    const told = reply.written.slice();
    reply.cut(0);
    const place = client.outlet.place();
    awaitDisk(call.store, level, (error) =>
      client.outlet.fill(place, error === '' ? told : Buffer.from(`-${error}\r\n`)),
    );
  }

  #showMonitors(call: Call, known: Known): void {
    if (known.has('admin') || known.has('skip_monitor')) return;
    const seconds = (call.nowMs / 1000).toFixed(6);
    let line = `+${seconds} [0 ${call.client.address}]`;
    const shown = SECRET.has(known.name) ? 1 : call.count;
    for (let i = 0; i < shown; i++) line += ` ${quoted(call.text(i))}`;
    const bytes = Uint8Array.from(Buffer.from(`${line}\r\n`, 'latin1'));
    for (const client of this.#server.monitors) if (client !== call.client) client.outlet.push(bytes);
  }

  #took(call: Call, known: Known, usec: number): void {
    const { settings, slowLog, latency } = this.#server;
    known.took(usec);
    if (settings.slowerThanUsec >= 0 && usec >= settings.slowerThanUsec && !known.has('skip_slowlog')) {
      const words = SECRET.has(known.name)
        ? [call.text(0), '(redacted)']
        : shortened(
            call.count,
            (i) => call.lengthOf(i),
            (i) => call.text(i),
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

  /** CLIENT REPLY OFF and SKIP. */
  #silence(call: Call, known: Known, from: number): void {
    const { client, reply } = call;
    if (known.name === 'client|reply') {
      if (client.replies !== 'on') reply.cut(Math.min(from, reply.length));
      return;
    }
    // Pushed messages, of which a subscription's answer is one, are not held back.
    if (client.replies === 'off') reply.cut(Math.min(from, reply.length));
    else if (client.replies === 'skip') {
      reply.cut(Math.min(from, reply.length));
      client.replies = 'on';
      client.gate(GATE.silent, false);
    }
  }
}

function levelOfWords(call: Call, words: number): AckLevel | null {
  const at = call.count - words;
  return levelOf(call.text(at + 1), call.text(at + 2), words === 4 ? call.text(at + 3) : '');
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
