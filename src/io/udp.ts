import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv4, isIPv6 } from 'node:net';
import { type Address, BoundedMap, joinAddress, LIMITS, splitAddress } from '../base/index.ts';
import type { NetworkCounters } from './counters.ts';
import { Resolver } from './resolve.ts';

type Target = { readonly host: string; readonly port: number };

/** A burst of a whole group's hops must fit while the loop is busy. The kernel may grant less. */
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** Opens and binds; the host is an IP address. Errors are the system's. */
export function bindUdp(host: string, port: number, reuseAddr: boolean): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: isIPv6(host) ? 'udp6' : 'udp4',
      reuseAddr,
      // Only addresses come here: what Node's default does for one costs a tick and a queue.
      lookup: ((address: string, family: unknown, done: unknown) => {
        const callback = (typeof family === 'function' ? family : done) as (
          error: null,
          address: string,
          family: number,
        ) => void;
        callback(null, address, isIPv6(address) ? 6 : 4);
      }) as never,
    });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      try {
        socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
      } catch {
        // Whatever the kernel gave by itself must do.
      }
      resolve(socket);
    });
  });
}

/** The gossip socket: datagrams in and out, never throws, counts what goes wrong. */
export class UdpEndpoint {
  readonly socket: Socket;
  readonly #v6: boolean;
  readonly #counters: NetworkCounters;
  readonly #resolver: Resolver;
  readonly #targets = new BoundedMap<Address, Target | null>(LIMITS.members);
  readonly #sources = new BoundedMap<string, Address>(LIMITS.members);
  readonly #onError: (error: Error) => void;
  readonly #sent: (error: Error | null) => void;
  #closed = false;

  constructor(
    socket: Socket,
    counters: NetworkCounters,
    nowMs: () => number,
    onDatagram: (bytes: Uint8Array, from: Address) => void,
    onError: (error: Error) => void,
  ) {
    this.socket = socket;
    this.#v6 = isIPv6(socket.address().address);
    this.#counters = counters;
    this.#resolver = new Resolver(this.#v6 ? 0 : 4, nowMs);
    this.#onError = onError;
    this.#sent = (error) => {
      if (error === null) return;
      counters.sendErrors++;
      onError(error);
    };
    socket.on('error', onError);
    socket.on('message', (bytes, from) => {
      counters.datagramsIn++;
      counters.datagramBytesIn += bytes.length;
      if (bytes.length > LIMITS.datagramBytes) counters.oversized++;
      else onDatagram(plain(bytes), this.sourceOf(from));
    });
  }

  send(to: Address, bytes: Uint8Array): void {
    const target = this.#target(to);
    const ip = target === null ? null : this.#resolver.now(target.host);
    if (target === null || ip === null) {
      this.#counters.unresolved++;
      return;
    }
    this.#counters.datagramsOut++;
    this.#counters.datagramBytesOut += bytes.length;
    this.sendTo(ip, target.port, bytes);
  }

  sendTo(ip: string, port: number, bytes: Uint8Array): void {
    if (this.#closed) return;
    if (!this.#v6 && !isIPv4(ip)) {
      this.#counters.sendErrors++;
      return;
    }
    try {
      this.socket.send(bytes, port, this.#v6 && isIPv4(ip) ? `::ffff:${ip}` : ip, this.#sent);
    } catch (error) {
      // Port 0 and the like: addresses come from strangers.
      this.#counters.sendErrors++;
      this.#onError(error as Error);
    }
  }

  /** The sender as `host:port`, made once per sender. */
  sourceOf(from: RemoteInfo): Address {
    const key = `${from.address} ${from.port}`;
    const known = this.#sources.get(key);
    if (known !== undefined) return known;
    const address = joinAddress(unmapped(from.address), from.port);
    this.#sources.set(key, address);
    return address;
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }

  #target(to: Address): Target | null {
    const known = this.#targets.get(to);
    if (known !== undefined) return known;
    const parts = splitAddress(to);
    const target = parts === null || parts.host === '' || parts.port === 0 ? null : parts;
    this.#targets.set(to, target);
    return target;
  }
}

/** `::ffff:192.0.2.1`, as a dual-stack socket reports IPv4 peers, to `192.0.2.1`. */
export function unmapped(ip: string): string {
  return ip.startsWith('::ffff:') && isIPv4(ip.slice(7)) ? ip.slice(7) : ip;
}

/** Not as a Buffer, whose `slice` does not copy: that surprises whoever reads `Uint8Array`. */
export function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
