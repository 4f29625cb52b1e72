import { connect, type Socket } from 'node:net';
import { Span } from '../store/index.ts';
import { type AckLevel, isPlain, PLAIN_LEVEL } from './ack-level.ts';
import { setReading, unsentBytes } from './flow.ts';
import { command, Handshake, type HandshakeParts } from './link-handshake.ts';
import { Outgoing } from './outgoing.ts';
import { ReplyReader } from './reply-reader.ts';

/** A connection that did not come about is tried again after this long at first, then twice as long. */
const BACKOFF_MS = { min: 50, max: 2_000 } as const;
const CONNECT_TIMEOUT_MS = 2_000;
/** Answers are owed, and for so long nothing came, nor did what was sent go out any further: the connection ends. */
const SILENCE_MS = 5_000;
/** Who holds up the answers of others is cut when in so long he takes less than so much of what came for him. */
const HOLD_MS = 1_000;
const HOLD_BYTES = 1 << 20;
/** One unused for so long is closed. */
const IDLE_MS = 60_000;
const TICK_MS = 500;
/** Commands, and bytes of them, that wait for answers of one link; from then on who asks is to wait. */
const FULL_COMMANDS = 8_192;
const FULL_BYTES = 32 * 1024 * 1024;
/** What links read into. */
const shared = new Uint8Array(64 * 1024);

/** Why there is no answer. `sent`: the command may have been done. */
export interface LinkFailure {
  readonly sent: boolean;
  readonly why: string;
}

/** Who waits for an answer. */
export interface Asker {
  /** Replies still to come of what was sent; the last is the answer, the others are not wanted. */
  replies: number;
  /** Bytes it was sent as; the link's. */
  size: number;
  /** Bytes that others read into afterwards, unless they are more than COPIED_BYTES. */
  answered(reply: Uint8Array): void;
  failed(failure: LinkFailure): void;
}

/** Who is given answers, and may not take them. */
export interface Holder {
  readonly isFull: boolean;
  readonly waitingBytes: number;
  cut(): void;
}

export interface LinkOptions extends HandshakeParts {
  readonly address: () => { readonly host: string; readonly port: number } | null;
  readonly nowMs: () => number;
  /** There is room again. */
  readonly drained: () => void;
  /** Somebody was cut who held it up. */
  readonly cut: () => void;
}

/**
 * One pipelined connection to another node: commands in order, replies in order, each handed on as it came. Connects when there
 * is something to send. What waits is bounded by those who ask, who look at `full` first, and by one command more of each;
 * who gets no answer hears whether the command had been sent.
 */
export class Link {
  readonly #options: LinkOptions;
  #waiting: Asker[] = [];
  #head = 0;
  #waitingBytes = 0;
  readonly #out = new Outgoing();
  /** Commands of `#waiting`, from the end, whose bytes are in `#out`. */
  #unsent = 0;
  /** What the other side takes the writes that follow to wait for. */
  #level = PLAIN_LEVEL;
  #socket: Socket | null = null;
  #ready = false;
  #flushing = false;
  #backoffMs = 0;
  #closedUntilMs = 0;
  /** When something was last heard, or began to be waited for. */
  #heardMs = 0;
  #unsentBytes = 0;
  #wasFull = false;
  #timer: NodeJS.Timeout | null = null;
  /** Those who cannot take more, with what waited for them, and when: nothing is read until they can. */
  readonly #holding = new Map<Holder, { bytes: number; ms: number }>();
  readonly counters = { commands: 0, failed: 0, connects: 0 };

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** Those who ask should wait until `drained`. */
  get full(): boolean {
    const full = this.waiting >= FULL_COMMANDS || this.#waitingBytes >= FULL_BYTES;
    this.#wasFull ||= full;
    return full;
  }

  /**
   * Sends a whole command, or several: `from` has it at `at`, and nobody changes it later if it `isOwn`. `level`: what a write waits
   * for; null where that is no matter.
   */
  send(asker: Asker, from: Span, at: number, length: number, level: AckLevel | null, isOwn: boolean): void {
    if (this.#socket === null && this.#options.nowMs() < this.#closedUntilMs) {
      this.counters.failed++;
      asker.failed({ sent: false, why: 'it cannot be reached' });
      return;
    }
    if (this.waiting === 0) this.#heardMs = this.#options.nowMs();
    this.counters.commands++;
    if (level !== null) this.#useLevel(asker, level);
    asker.size = length;
    this.#waiting.push(asker);
    this.#waitingBytes += length;
    this.#out.add(from, at, length, isOwn);
    this.#unsent++;
    if (this.#socket === null) this.#connect();
    else if (this.#ready) this.#flushSoon();
  }

  /** Of a command made here. */
  sendBytes(asker: Asker, bytes: Uint8Array, level: AckLevel | null): void {
    this.send(asker, new Span(bytes), 0, bytes.length, level, true);
  }

  /** Nothing is read until all who hold have let go; false for who does so already. */
  hold(who: Holder): boolean {
    if (this.#socket === null || this.#holding.has(who)) return false;
    this.#holding.set(who, { bytes: who.waitingBytes, ms: this.#options.nowMs() });
    setReading(this.#socket, false);
    return true;
  }

  letGo(who: Holder): void {
    if (!this.#holding.delete(who) || this.#holding.size > 0) return;
    this.#heardMs = this.#options.nowMs();
    if (this.#socket !== null) setReading(this.#socket, true);
  }

  close(): void {
    this.#lost('this node is stopping');
  }

  /** The level is the connection's, not the next write's: what is refused before it is a write would leave it to another one. */
  #useLevel(asker: Asker, level: AckLevel): void {
    const now = this.#level;
    const wanted = isPlain(level) ? PLAIN_LEVEL : level;
    if (now.memory === wanted.memory && now.disk === wanted.disk && now.timeoutMs === wanted.timeoutMs)
      return;
    this.#level = wanted;
    const { memory, disk, timeoutMs } = wanted;
    this.#out.keep(command('CLIENT', 'ACKS', String(memory), String(disk), String(timeoutMs)));
    asker.replies++;
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    // All that a turn of commands has for this peer goes out as one write.
    process.nextTick(() => {
      this.#flushing = false;
      if (this.#ready) this.#flush();
    });
  }

  #flush(): void {
    if (this.#socket === null) return;
    this.#unsent = 0;
    this.#out.send(this.#socket);
  }

  #connect(): void {
    const place = this.#options.address();
    if (place === null) {
      this.#lost('its store cannot be reached from here');
      return;
    }
    this.counters.connects++;
    const onread = {
      buffer: shared,
      callback: (length: number): boolean => {
        if (this.#socket === socket) this.#heard(shared.subarray(0, length), reader, greeting);
        return true;
      },
    };
    const socket = connect({ host: place.host, port: place.port, noDelay: true, onread });
    const reader = new ReplyReader();
    const greeting = new Handshake(this.#options, (bytes) => socket.write(bytes));
    this.#socket = socket;
    this.#ready = false;
    const mine = (): boolean => this.#socket === socket;
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => mine() && !this.#ready && this.#lost('it does not answer'));
    socket.on('connect', () => greeting.begin());
    socket.on(
      'error',
      (error) => mine() && this.#lost(`it cannot be reached (${(error as NodeJS.ErrnoException).code})`),
    );
    socket.on('close', () => mine() && this.#lost('the connection to it ended'));
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  #heard(chunk: Uint8Array, reader: ReplyReader, greeting: Handshake): void {
    const socket = this.#socket;
    this.#heardMs = this.#options.nowMs();
    reader.feed(chunk);
    for (let reply = reader.next(); reply !== null && this.#socket === socket; reply = reader.next()) {
      if (this.#ready) this.#answered(reply);
      else this.#greeted(greeting.reply(reply));
    }
    if (this.#socket === socket && reader.error !== '') this.#lost(reader.error);
  }

  #greeted(outcome: string): void {
    if (outcome === 'more') return;
    if (outcome !== 'done') {
      this.#lost(outcome);
      return;
    }
    this.#socket?.setTimeout(0);
    this.#ready = true;
    this.#backoffMs = 0;
    this.#flush();
  }

  #answered(reply: Uint8Array): void {
    const first = this.#waiting[this.#head];
    if (first === undefined) {
      this.#lost('it answers what was not asked');
      return;
    }
    if (--first.replies > 0) return;
    this.#waitingBytes -= first.size;
    this.#head++;
    if (this.#head === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    first.answered(reply);
    if (!this.#wasFull || this.waiting * 2 > FULL_COMMANDS || this.#waitingBytes * 2 > FULL_BYTES) return;
    this.#wasFull = false;
    this.#options.drained();
  }

  #tick(): void {
    const nowMs = this.#options.nowMs();
    if (this.waiting === 0) {
      if (nowMs - this.#heardMs > IDLE_MS) this.#lost('idle');
      return;
    }
    this.#lookAtHolders(nowMs);
    const unsent = this.#socket === null ? 0 : unsentBytes(this.#socket);
    if (this.#holding.size > 0 || unsent < this.#unsentBytes) this.#heardMs = nowMs;
    this.#unsentBytes = unsent;
    if (nowMs - this.#heardMs > SILENCE_MS) this.#lost(`nothing was heard from it for ${SILENCE_MS} ms`);
  }

  #lookAtHolders(nowMs: number): void {
    for (const [who, seen] of this.#holding) {
      if (nowMs - seen.ms < HOLD_MS) continue;
      if (!who.isFull) this.letGo(who);
      else if (seen.bytes - who.waitingBytes < HOLD_BYTES) {
        this.#options.cut();
        who.cut();
      }
      seen.bytes = who.waitingBytes;
      seen.ms = nowMs;
    }
  }

  /** The connection is gone: those who wait are told, and the next command makes a new one, after a while. */
  #lost(why: string): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    socket?.destroy();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    const waiting = this.#waiting.slice(this.#head);
    if (waiting.length > 0) {
      this.#backoffMs = Math.min(BACKOFF_MS.max, Math.max(BACKOFF_MS.min, this.#backoffMs * 2));
      this.#closedUntilMs = this.#options.nowMs() + this.#backoffMs;
    }
    const sent = waiting.length - this.#unsent;
    this.#waiting = [];
    this.#head = 0;
    this.#waitingBytes = 0;
    this.#out.clear();
    this.#unsent = 0;
    this.#unsentBytes = 0;
    this.#level = PLAIN_LEVEL;
    this.#holding.clear();
    this.counters.failed += waiting.length;
    for (const [i, asker] of waiting.entries()) asker.failed({ sent: i < sent, why });
    if (!this.#wasFull) return;
    this.#wasFull = false;
    this.#options.drained();
  }
}
