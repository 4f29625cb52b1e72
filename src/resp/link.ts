import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { NodeId } from '../base/index.ts';
import { type Greeting, isNonce, proofOf, secretOf } from './link-auth.ts';
import { ReplyReader } from './reply-reader.ts';

/** What a link is for: commands for the server of their key, commands for whoever has the data; RESP version of replies. */
export type LinkKind = 'relay2' | 'relay3' | 'final2' | 'final3';

/** A connection that did not come about is tried again after this long at first, then twice as long. */
const BACKOFF_MS = { min: 50, max: 2_000 } as const;
const CONNECT_TIMEOUT_MS = 2_000;
/** A command that was sent and not answered for this long ends the connection. */
const ANSWER_TIMEOUT_MS = 5_000;
/** One unused for so long is closed. */
const IDLE_MS = 60_000;
const TICK_MS = 500;
/** Commands and bytes that may wait for answers, of one link; those who ask are to wait from half of it on. */
const MAX_WAITING = 16_384;
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** Why there is no answer. `sent`: the command may have been done. */
export interface LinkFailure {
  readonly sent: boolean;
  readonly why: string;
}

export type LinkAnswer = (reply: Uint8Array | null, failure: LinkFailure | null) => void;

interface Waiting {
  readonly answer: LinkAnswer;
  /** Replies still to come of this command; those before the last are not wanted. */
  replies: number;
  readonly bytes: number;
  sinceMs: number;
}

export interface LinkOptions {
  readonly kind: LinkKind;
  readonly self: () => NodeId;
  readonly peer: NodeId;
  readonly address: () => { readonly host: string; readonly port: number } | null;
  readonly secrets: () => readonly Uint8Array[];
  readonly nowMs: () => number;
  /** There is room again. */
  readonly drained: () => void;
}

/**
 * One pipelined connection to another node: commands in order, replies in order, each handed on as it came. Connects when there
 * is something to send. What waits is bounded; who gets no answer hears whether the command had been sent.
 */
export class Link {
  readonly #options: LinkOptions;
  readonly #waiting: Waiting[] = [];
  #head = 0;
  #waitingBytes = 0;
  /** Not yet given to a socket. */
  #out: Uint8Array[] = [];
  /** Commands of `#waiting`, from the end, whose bytes are in `#out`. */
  #unsent = 0;
  #socket: Socket | null = null;
  #ready = false;
  #flushing = false;
  #backoffMs = 0;
  #closedUntilMs = 0;
  #lastMs = 0;
  #wasFull = false;
  #timer: NodeJS.Timeout | null = null;
  readonly counters = { commands: 0, failed: 0, connects: 0 };

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** Those who ask should wait until `drained`. */
  get full(): boolean {
    const full = this.waiting * 2 > MAX_WAITING || this.#waitingBytes * 2 > MAX_WAITING_BYTES;
    this.#wasFull ||= full;
    return full;
  }

  /** Sends whole commands that have `replies` replies together, of which the last is the answer. */
  send(bytes: Uint8Array, replies: number, answer: LinkAnswer): void {
    const nowMs = this.#options.nowMs();
    const why =
      this.waiting >= MAX_WAITING || this.#waitingBytes + bytes.length > MAX_WAITING_BYTES + MAX_WAITING
        ? 'too much waits for it'
        : this.#socket === null && nowMs < this.#closedUntilMs
          ? 'it cannot be reached'
          : '';
    // One large command may pass where nothing else waits.
    if (why !== '' && (why !== 'too much waits for it' || this.waiting > 0)) {
      this.counters.failed++;
      answer(null, { sent: false, why });
      return;
    }
    this.counters.commands++;
    this.#lastMs = nowMs;
    this.#waiting.push({ answer, replies, bytes: bytes.length, sinceMs: nowMs });
    this.#waitingBytes += bytes.length;
    this.#out.push(bytes);
    this.#unsent++;
    if (this.#socket === null) this.#connect();
    else if (this.#ready) this.#flushSoon();
  }

  close(why = 'this node is stopping'): void {
    this.#lost(why);
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
    const socket = this.#socket;
    if (socket === null || this.#out.length === 0) return;
    const out = this.#out;
    this.#out = [];
    this.#unsent = 0;
    const [only] = out;
    socket.write(out.length === 1 && only !== undefined ? only : Buffer.concat(out));
  }

  #connect(): void {
    const place = this.#options.address();
    if (place === null) {
      this.#lost('its store cannot be reached from here');
      return;
    }
    this.counters.connects++;
    const socket = connect({ host: place.host, port: place.port, noDelay: true });
    this.#socket = socket;
    this.#ready = false;
    const reader = new ReplyReader();
    const greeting = new Handshake(this.#options, (bytes) => socket.write(bytes));
    const mine = (): boolean => this.#socket === socket;
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => mine() && !this.#ready && this.#lost('it does not answer'));
    socket.on('connect', () => greeting.begin());
    socket.on('data', (chunk) => {
      if (!mine()) return;
      reader.feed(chunk);
      for (let reply = reader.next(); reply !== null && mine(); reply = reader.next()) {
        if (this.#ready) this.#answered(reply);
        else this.#greeted(greeting, reply, socket);
      }
      if (reader.error !== '' && mine()) this.#lost(reader.error);
    });
    socket.on(
      'error',
      (error) => mine() && this.#lost(`it cannot be reached (${(error as NodeJS.ErrnoException).code})`),
    );
    socket.on('close', () => mine() && this.#lost('the connection to it ended'));
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  #greeted(greeting: Handshake, reply: Uint8Array, socket: Socket): void {
    const outcome = greeting.reply(reply);
    if (outcome === 'more') return;
    if (outcome !== 'done') {
      this.#lost(outcome);
      return;
    }
    socket.setTimeout(0);
    this.#ready = true;
    this.#backoffMs = 0;
    const nowMs = this.#options.nowMs();
    for (let i = this.#head; i < this.#waiting.length; i++) (this.#waiting[i] as Waiting).sinceMs = nowMs;
    this.#flush();
  }

  #answered(reply: Uint8Array): void {
    const first = this.#waiting[this.#head];
    if (first === undefined) {
      this.#lost('it answers what was not asked');
      return;
    }
    if (--first.replies > 0) return;
    this.#waitingBytes -= first.bytes;
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    first.answer(reply, null);
    if (this.#wasFull && !this.full) {
      this.#wasFull = false;
      this.#options.drained();
    }
  }

  #tick(): void {
    const nowMs = this.#options.nowMs();
    const first = this.#waiting[this.#head];
    if (first !== undefined && nowMs - first.sinceMs > ANSWER_TIMEOUT_MS) {
      this.#lost(`it did not answer within ${ANSWER_TIMEOUT_MS} ms`);
    } else if (first === undefined && nowMs - this.#lastMs > IDLE_MS) this.#lost('idle');
  }

  /** The connection is gone: those who wait are told, and the next command makes a new one, after a while. */
  #lost(why: string): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    socket?.destroy();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    const waiting = this.#waiting.splice(0).slice(this.#head);
    if (waiting.length > 0) {
      this.#backoffMs = Math.min(BACKOFF_MS.max, Math.max(BACKOFF_MS.min, this.#backoffMs * 2));
      this.#closedUntilMs = this.#options.nowMs() + this.#backoffMs;
    }
    const sent = waiting.length - this.#unsent;
    this.#head = 0;
    this.#unsent = 0;
    this.#out = [];
    this.#waitingBytes = 0;
    this.counters.failed += waiting.length;
    for (const [i, { answer }] of waiting.entries()) answer(null, { sent: i < sent, why });
    if (this.#wasFull) {
      this.#wasFull = false;
      this.#options.drained();
    }
  }
}

/** The dialer's side of link-auth.ts: LINK, then PROVE, which is answered with a proof, then the RESP version. */
class Handshake {
  readonly #options: LinkOptions;
  readonly #write: (bytes: Buffer) => void;
  readonly #nonce = randomBytes(16).toString('hex');
  #greeting: Greeting | null = null;
  /** What proofs were made by. */
  #secrets: readonly Uint8Array[] = [];
  #step = 0;

  constructor(options: LinkOptions, write: (bytes: Buffer) => void) {
    this.#options = options;
    this.#write = write;
  }

  begin(): void {
    const { kind, self, peer } = this.#options;
    this.#write(command('SHOAL', 'LINK', kind.slice(0, -1), self(), peer, this.#nonce));
  }

  /** What a reply leads to: `more`, `done`, or why it ends. */
  reply(bytes: Uint8Array): string {
    const text = Buffer.from(bytes).toString('latin1');
    if (text.startsWith('-')) return `it refuses the link: ${text.slice(1).trim()}`;
    this.#step++;
    if (this.#step === 1) return this.#prove(textOf(text));
    if (this.#step === 2 && !this.#isProven(textOf(text)))
      return 'it does not prove that it is of this group';
    if (this.#step === 2 && this.#options.kind.endsWith('3')) {
      this.#write(command('HELLO', '3'));
      return 'more';
    }
    return 'done';
  }

  #prove(acceptorNonce: string): string {
    if (!isNonce(acceptorNonce)) return 'it does not speak as a node of shoal';
    const { kind, self, peer, secrets } = this.#options;
    const greeting: Greeting = {
      kind: kind.slice(0, -1),
      dialer: self(),
      acceptor: peer,
      dialerNonce: this.#nonce,
      acceptorNonce,
    };
    this.#greeting = greeting;
    this.#secrets = secrets();
    const proofs = this.#secrets.map((secret) => proofOf(secret, 'dialer', greeting));
    this.#write(command('SHOAL', 'PROVE', proofs.join() || '-'));
    return 'more';
  }

  #isProven(proof: string): boolean {
    if (this.#secrets.length === 0) return true;
    return this.#greeting !== null && secretOf(this.#secrets, 'acceptor', this.#greeting, [proof]) !== null;
  }
}

/** What a bulk string says. */
function textOf(reply: string): string {
  return reply.split('\r\n')[1] ?? '';
}

/** A command of ASCII words. */
export function command(...words: readonly string[]): Buffer {
  return Buffer.from(
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`,
    'latin1',
  );
}
