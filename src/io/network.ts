import { lookup } from 'node:dns/promises';
import { createServer, isIP, isIPv4, type Server } from 'node:net';
import {
  type Address,
  joinAddress,
  parseAddress,
  ShoalError,
  splitAddress,
  systemReason,
} from '../base/index.ts';
import { NetworkCounters } from './counters.ts';
import { checkInterface, isWildcard } from './interfaces.ts';
import type { Log } from './log.ts';
import { Multicast } from './multicast.ts';
import { type StreamOptions, type StreamSink, TcpEndpoint } from './tcp.ts';
import { bindUdp, UdpEndpoint } from './udp.ts';

export interface NetworkSink extends StreamSink {
  datagram(bytes: Uint8Array, from: Address, viaMulticast: boolean): void;
}

export interface NetworkOptions extends StreamOptions {
  /** Port 0: one that is free for datagrams and streams alike. */
  readonly bind: Address;
  readonly multicast: {
    readonly group: Address;
    readonly interface: string | null;
    readonly ttl?: number;
  } | null;
  readonly log: Log;
  readonly nowMs: () => number;
}

/**
 * The sockets of one node, as the machine's outputs name them. Nothing here throws after the start and nothing calls
 * the sink from within a call: what happens is told later.
 */
export interface Network {
  /** What was bound; the port is never 0. */
  readonly address: Address;
  /** False when the group could not be opened: said in the log. */
  readonly multicasts: boolean;
  readonly counters: NetworkCounters;
  send(to: Address, bytes: Uint8Array): void;
  multicast(bytes: Uint8Array): void;
  connect(stream: number, to: Address): void;
  write(stream: number, frame: Uint8Array): void;
  close(stream: number): void;
  stop(): Promise<void>;
}

const PORT_ATTEMPTS = 20;
const STOP_GRACE_MS = 300;

/** Routers a multicast may pass unless it is said otherwise. */
const DEFAULT_TTL = 4;

/** @throws ShoalError `bad-bind`, `address-in-use`, `bad-interface`, `bad-multicast`. */
export async function openNetwork(options: NetworkOptions, sink: NetworkSink): Promise<Network> {
  const { log, nowMs } = options;
  const counters = new NetworkCounters();
  if (options.multicast?.interface) checkInterface(options.multicast.interface);
  const { host, port } = await bindHost(options.bind);
  const { socket, server } = await bindBoth(host, port);
  let multicast: Multicast | null = null;
  const udp = new UdpEndpoint(
    socket,
    counters,
    nowMs,
    (bytes, from) => sink.datagram(bytes, from, false),
    () => multicast?.suspect(),
  );
  const tcp = new TcpEndpoint(server, host, counters, sink, options);
  try {
    multicast = await openMulticast(options, host, udp, counters, sink);
  } catch (error) {
    await Promise.all([udp.close(), tcp.stop(0)]);
    throw error;
  }
  log.debug({ gossip: options.bind }, 'sockets are open');
  return {
    address: joinAddress(host, socket.address().port),
    multicasts: multicast !== null,
    counters,
    send: (to, bytes) => udp.send(to, bytes),
    multicast: (bytes) => multicast?.send(bytes),
    connect: (stream, to) => tcp.connect(stream, to),
    write: (stream, frame) => tcp.write(stream, frame),
    close: (stream) => tcp.close(stream),
    async stop() {
      await tcp.stop(STOP_GRACE_MS);
      await Promise.all([udp.close(), multicast?.close()]);
    },
  };
}

async function bindHost(bind: Address): Promise<{ host: string; port: number }> {
  const parts = splitAddress(bind);
  if (parts === null) parseAddress(bind, 'bind');
  const { host, port } = parts as { host: string; port: number };
  if (isWildcard(host)) return { host: host === '' ? '0.0.0.0' : host, port };
  if (isIP(host) !== 0) return { host, port };
  try {
    const { address } = await lookup(host);
    return { host: address, port };
  } catch {
    throw new ShoalError(
      'bad-bind',
      `bind: '${host}' cannot be resolved: give an address of this machine`,
      'bind',
    );
  }
}

async function bindBoth(host: string, port: number) {
  for (let attempt = 1; ; attempt++) {
    try {
      const socket = await bindUdp(host, port, false);
      try {
        return { socket, server: await listen(host, socket.address().port) };
      } catch (error) {
        socket.close();
        throw error;
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Free for datagrams, taken for streams: another free one will do.
      if (port === 0 && code === 'EADDRINUSE' && attempt < PORT_ATTEMPTS) continue;
      throw bindError(error, joinAddress(host, port));
    }
  }
}

function listen(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true });
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      resolve(server);
    });
  });
}

function bindError(error: unknown, address: Address): ShoalError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new ShoalError(
      'address-in-use',
      `bind: ${address} is taken: stop the program that uses it, or choose another with --bind (port 0 picks a free one)`,
      'bind',
    );
  }
  const why =
    code === 'EADDRNOTAVAIL'
      ? 'is not an address of this machine'
      : code === 'EACCES'
        ? 'needs more rights'
        : `failed (${systemReason(error)})`;
  return new ShoalError('bad-bind', `bind: ${address} ${why}: choose another with --bind`, 'bind');
}

async function openMulticast(
  options: NetworkOptions,
  host: string,
  udp: UdpEndpoint,
  counters: NetworkCounters,
  sink: NetworkSink,
): Promise<Multicast | null> {
  if (options.multicast === null) return null;
  const parts = splitAddress(options.multicast.group);
  if (parts === null || parts.port === 0 || !isIPv4(parts.host) || !/^2(2[4-9]|3\d)\./.test(parts.host)) {
    throw new ShoalError(
      'bad-multicast',
      `multicast: '${options.multicast.group}' is not an IPv4 multicast group (224.0.0.0 to 239.255.255.255) and port`,
      'multicast',
    );
  }
  if (!isIPv4(host)) {
    options.log.warn({ bind: host }, 'multicast is off: it is IPv4 and the gossip address is IPv6');
    return null;
  }
  try {
    const receiver = await bindUdp(parts.host, parts.port, true);
    const group = {
      ...parts,
      interface: options.multicast.interface,
      bindHost: host,
      ttl: options.multicast.ttl ?? DEFAULT_TTL,
    };
    return new Multicast(udp, receiver, group, counters, options.log, (bytes, from) =>
      sink.datagram(bytes, from, true),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = systemReason(error);
    options.log.warn({ code }, `multicast is off: ${options.multicast.group} cannot be opened (${why})`);
    return null;
  }
}
