import { lookup } from 'node:dns';
import { connect, isIPv4, type Server, type Socket } from 'node:net';
import { type Address, joinAddress, LIMITS, splitAddress, systemReason } from '../base/index.ts';
import { Callers, type StreamBounds } from './callers.ts';
import type { NetworkCounters } from './counters.ts';
import { FrameReader } from './frame-reader.ts';
import { isWildcard } from './interfaces.ts';
import { unmapped } from './udp.ts';

export interface StreamSink {
  accepted(stream: number, from: Address): void;
  opened(stream: number): void;
  frame(stream: number, bytes: Uint8Array): void;
  closed(stream: number, reason: string): void;
  /** Longest frame taken from this stream now; absent: LIMITS.frameBytes. */
  frameLimit?(stream: number): number;
  /** Whether a caller has shown that it belongs here; absent: with its first frame. */
  proven?(stream: number): boolean;
}

export interface StreamTimeouts {
  /** From the call until the connection stands; the name's resolution likewise. */
  readonly connectMs: number;
  /** Without a byte either way. */
  readonly idleMs: number;
  /** For a caller to prove itself, whatever trickles in meanwhile. */
  readonly unprovenMs: number;
}

export const STREAM_TIMEOUTS: StreamTimeouts = { connectMs: 3_000, idleMs: 15_000, unprovenMs: 5_000 };
export interface StreamOptions {
  readonly timeouts?: StreamTimeouts;
  readonly bounds?: StreamBounds;
  /** Whether a member lives at this IP address. */
  readonly isMember?: (ip: string) => boolean;
}

/** How long a closing stream may take to send what waits and to hear the other side's end. */
const LINGER_MS = 3_000;

interface Stream {
  readonly handle: number;
  socket: Socket | null;
  /** Frames written before the name was resolved. */
  early: Uint8Array[];
  earlyBytes: number;
  reason: string;
  /** We closed it: what still arrives is not for the machine. */
  closing: boolean;
  /** The other side called, and has had no answer yet: nothing that it sent was worth one. */
  unanswered: boolean;
}

/** Streams of length-prefixed frames over TCP: u32 big endian, then so many bytes. Bounds in LIMITS. */
export class TcpEndpoint {
  readonly #server: Server;
  readonly #bindHost: string;
  readonly #counters: NetworkCounters;
  readonly #sink: StreamSink;
  readonly #timeouts: StreamTimeouts;
  readonly #streams = new Map<number, Stream>();
  readonly #callers: Callers;
  /** All sockets, those that linger after our close included: a place is held by a stream, not by its socket. */
  readonly #sockets = new Set<Socket>();
  /** The oldest first. */
  readonly #lingering = new Set<Socket>();
  readonly #streamBound: number;
  #lastAccepted = 0;
  #closed = false;

  constructor(
    server: Server,
    bindHost: string,
    counters: NetworkCounters,
    sink: StreamSink,
    { timeouts = STREAM_TIMEOUTS, bounds = LIMITS, isMember = () => false }: StreamOptions,
  ) {
    this.#server = server;
    this.#bindHost = bindHost;
    this.#counters = counters;
    this.#sink = sink;
    this.#timeouts = timeouts;
    this.#streamBound = bounds.streams;
    this.#callers = new Callers(isMember, bounds);
    server.on('error', () => {}); // EMFILE and the like: the connection is lost, the server goes on
    server.on('connection', (socket) => this.#accept(socket));
  }

  connect(handle: number, to: Address): void {
    const stream: Stream = {
      handle,
      socket: null,
      early: [],
      earlyBytes: 0,
      reason: 'closed by the peer',
      closing: false,
      unanswered: false,
    };
    const parts = splitAddress(to);
    const full = this.#streams.size >= this.#streamBound;
    this.#streams.set(handle, stream);
    if (parts === null || parts.host === '' || parts.port === 0) {
      setImmediate(() => this.#gone(stream, `'${to}' is not an address`));
    } else if (full) {
      this.#counters.streamsRefused++;
      setImmediate(() => this.#gone(stream, `${this.#streamBound} streams are open already`));
    } else {
      this.#resolve(stream, parts.host, parts.port);
    }
  }

  write(handle: number, frame: Uint8Array): void {
    const stream = this.#streams.get(handle);
    if (stream === undefined || stream.closing) return;
    stream.unanswered = false;
    const header = new Uint8Array(4);
    new DataView(header.buffer).setUint32(0, frame.length);
    this.#counters.streamBytesOut += 4 + frame.length;
    const waiting = stream.socket === null ? stream.earlyBytes : stream.socket.writableLength;
    if (waiting + frame.length > LIMITS.streamBacklogBytes) {
      stream.reason = 'the peer reads too slowly';
      this.#counters.streamsTooSlow++;
      if (stream.socket === null) setImmediate(() => this.#gone(stream, stream.reason));
      else stream.socket.destroy();
      return;
    }
    if (stream.socket === null) {
      stream.early.push(header, frame);
      stream.earlyBytes += 4 + frame.length;
      return;
    }
    stream.socket.cork();
    stream.socket.write(header);
    stream.socket.write(frame);
    stream.socket.uncork();
  }

  close(handle: number): void {
    const stream = this.#streams.get(handle);
    if (stream === undefined || stream.closing) return;
    stream.closing = true;
    const { socket } = stream;
    // Not yet connected: what waits is still sent, by #dial.
    if (socket !== null) this.#end(stream, socket);
  }

  /** Stops listening, gives open streams a moment to send what waits, then cuts them. */
  async stop(graceMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const handle of [...this.#streams.keys()]) this.close(handle);
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    await closed;
    const outgoing = [...this.#sockets].filter((socket) => !socket.destroyed);
    await Promise.all(outgoing.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    clearTimeout(cut);
  }

  #resolve(stream: Stream, host: string, port: number): void {
    const family = isIPv4(this.#bindHost) ? 4 : 0;
    // A lookup cannot be called off; the timer makes sure that its stream does not wait for it.
    const timer = setTimeout(
      () => this.#gone(stream, `'${host}' was not resolved in time`),
      this.#timeouts.connectMs,
    );
    lookup(host, { family }, (error, ip) => {
      clearTimeout(timer);
      if (this.#closed || !this.#streams.has(stream.handle)) return;
      if (error !== null) this.#gone(stream, `'${host}' cannot be resolved (${systemReason(error)})`);
      else this.#dial(stream, ip, port);
    });
  }

  #dial(stream: Stream, ip: string, port: number): void {
    // Bound to one address we also call from it: loopback stays loopback.
    const local = isWildcard(this.#bindHost) ? {} : { localAddress: this.#bindHost };
    const socket = connect({ host: ip, port, noDelay: true, ...local });
    this.#counters.streamsOut++;
    const timer = setTimeout(() => {
      stream.reason = `no connection to ${joinAddress(ip, port)} within ${this.#timeouts.connectMs / 1000} s`;
      socket.destroy();
    }, this.#timeouts.connectMs);
    socket.once('close', () => clearTimeout(timer));
    socket.once('connect', () => {
      clearTimeout(timer);
      if (!stream.closing) this.#sink.opened(stream.handle);
    });
    this.#adopt(stream, socket);
    for (const part of stream.early) socket.write(part);
    stream.early = [];
    if (stream.closing) this.#end(stream, socket);
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (this.#closed || remoteAddress === undefined) {
      refuse(socket);
      return;
    }
    const ip = unmapped(remoteAddress);
    const { refused, victim } = this.#callers.room(ip);
    if (refused !== null) {
      if (refused === 'host') this.#counters.streamsOfOneHost++;
      else this.#counters.streamsRefused++;
      refuse(socket);
      return;
    }
    const giving = victim === null ? undefined : this.#streams.get(victim);
    if (giving !== undefined) this.#cut(giving, 'it proved nothing and another caller needed its place');
    const stream: Stream = {
      handle: --this.#lastAccepted,
      socket,
      early: [],
      earlyBytes: 0,
      reason: 'closed by the peer',
      closing: false,
      unanswered: true,
    };
    this.#counters.streamsIn++;
    this.#streams.set(stream.handle, stream);
    this.#callers.add(stream.handle, ip);
    this.#adopt(stream, socket);
    const { unprovenMs } = this.#timeouts;
    const deadline = setTimeout(() => {
      if (this.#callers.isUnproven(stream.handle))
        this.#cut(stream, `it proved nothing in ${unprovenMs / 1000} s`);
    }, unprovenMs);
    socket.once('close', () => clearTimeout(deadline));
    this.#sink.accepted(stream.handle, joinAddress(ip, remotePort ?? 0));
  }

  /** At once: who has proved nothing has nothing to wait for. */
  #cut(stream: Stream, reason: string): void {
    this.#counters.streamsUnproven++;
    stream.socket?.resetAndDestroy();
    this.#gone(stream, reason);
  }

  #adopt(stream: Stream, socket: Socket): void {
    stream.socket = socket;
    this.#sockets.add(socket);
    const limit = (): number => this.#sink.frameLimit?.(stream.handle) ?? LIMITS.frameBytes;
    const reader = new FrameReader(limit);
    socket.setNoDelay(true);
    socket.setTimeout(this.#timeouts.idleMs, () => {
      stream.reason = `idle for ${this.#timeouts.idleMs / 1000} s`;
      socket.destroy();
    });
    socket.on('error', (error) => {
      stream.reason = systemReason(error);
    });
    socket.on('data', (chunk) => {
      this.#counters.streamBytesIn += chunk.length;
      if (stream.closing) return;
      const sound = reader.push(chunk, (frame) => {
        if (stream.closing) return;
        this.#sink.frame(stream.handle, frame);
        if (!this.#callers.isUnproven(stream.handle)) return;
        if (this.#sink.proven?.(stream.handle) ?? true) this.#callers.proved(stream.handle);
      });
      if (sound) return;
      this.#counters.framesTooLong++;
      stream.reason = `a frame of more than ${limit()} bytes was announced`;
      socket.destroy();
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#gone(stream, stream.reason);
    });
  }

  #end(stream: Stream, socket: Socket): void {
    const unproven = this.#callers.isUnproven(stream.handle);
    this.#forget(stream);
    if (stream.unanswered) {
      // Nothing waits to be sent; who only holds a place must not hold it for longer.
      if (unproven) socket.resetAndDestroy();
      else socket.destroy();
      return;
    }
    if (unproven) {
      // It may read why (no common key), but its own end is not waited for.
      socket.destroySoon();
      return;
    }
    socket.end();
    this.#lingering.add(socket);
    if (this.#lingering.size > LIMITS.lingeringStreams) {
      const [oldest] = this.#lingering as Iterable<Socket>;
      oldest?.destroy();
    }
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#lingering.delete(socket);
    });
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream.handle);
    this.#callers.remove(stream.handle);
  }

  /** Tells the machine, unless it closed the stream itself. */
  #gone(stream: Stream, reason: string): void {
    if (this.#streams.get(stream.handle) !== stream) return;
    this.#forget(stream);
    if (!stream.closing) this.#sink.closed(stream.handle, reason);
  }
}

function refuse(socket: Socket): void {
  socket.on('error', () => {});
  socket.resetAndDestroy();
}
