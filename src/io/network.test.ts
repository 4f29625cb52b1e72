import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Address, LIMITS, splitAddress } from '../base/index.ts';
import { externalAddresses } from './interfaces.ts';
import { type Log, silentLog } from './log.ts';
import { type Network, openNetwork } from './network.ts';
import type { StreamOptions, StreamSink } from './tcp.ts';
import { type End, networkSuite, recordingSink } from './testing/network-suite.ts';
import { until } from './testing/poll.ts';

/** A group of this test process's own: other runs on this machine do not hear it. */
const GROUP = `239.77.${30 + (process.pid % 200)}.99:${20000 + (process.pid % 9000)}` as Address;
const open: Network[] = [];
const raw: Socket[] = [];

async function make(
  over: {
    bind?: string;
    group?: string;
    interface?: string | null;
    log?: Log;
    sink?: Partial<StreamSink>;
  } & StreamOptions = {},
): Promise<End> {
  const seen: string[] = [];
  const network = await openNetwork(
    {
      bind: (over.bind ?? '127.0.0.1:0') as Address,
      multicast: { group: (over.group ?? GROUP) as Address, interface: over.interface ?? null },
      log: over.log ?? silentLog,
      nowMs: () => performance.now(),
      ...(over.timeouts && { timeouts: over.timeouts }),
      ...(over.bounds && { bounds: over.bounds }),
    },
    { ...recordingSink(seen), ...over.sink },
  );
  open.push(network);
  return { network, seen };
}

/** `caller`: which of the addresses of loopback calls. */
function dial(network: Network, caller = 1): Socket {
  const { host, port } = splitAddress(network.address) as { host: string; port: number };
  const socket = connect({ port, host, localAddress: `127.0.0.${caller}` });
  socket.on('error', () => {});
  raw.push(socket);
  return socket;
}

afterEach(async () => {
  for (const socket of raw.splice(0)) socket.destroy();
  for (const network of open.splice(0)) await network.stop();
});

networkSuite('sockets on IPv4 loopback', () => make());

describe('network on sockets', () => {
  it('speaks IPv6, without multicast and saying so', async () => {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_: object, message: string) => warnings.push(message) };
    const a = await make({ bind: '[::1]:0', log });
    const b = await make({ bind: '[::1]:0' });
    expect(a.network.address).toMatch(/^\[::1\]:\d+$/);
    expect(a.network.multicasts).toBe(false);
    expect(warnings.join()).toContain('multicast is off');
    a.network.send(b.network.address, Buffer.from('six'));
    a.network.connect(1, b.network.address);
    a.network.write(1, Buffer.from('stream'));
    await until('arrived', () => b.seen.length === 3);
    expect([...b.seen].sort()).toEqual([
      'accepted -1',
      `datagram six from ${a.network.address}`,
      'frame -1 stream',
    ]);
  });

  it('speaks both families on [::], naming IPv4 peers by their IPv4 address', async () => {
    const a = await make({ bind: '[::]:0' });
    const b = await make();
    const port = splitAddress(a.network.address)?.port;
    b.network.send(`127.0.0.1:${port}` as Address, Buffer.from('four'));
    await until('arrived', () => a.seen.length === 1);
    expect(a.seen).toEqual([`datagram four from ${b.network.address}`]);
    a.network.send(b.network.address, Buffer.from('back'));
    await until('answered', () => b.seen.length === 1);
  });

  it('resolves a host name for a stream, and for the datagrams after the first', async () => {
    const [a, b] = [await make(), await make()];
    const named = `localhost:${splitAddress(b.network.address)?.port}` as Address;
    a.network.connect(1, named);
    a.network.write(1, Buffer.from('x'));
    await until('stream', () => b.seen.includes('frame -1 x'));
    a.network.send(named, Buffer.from('lost'));
    await until('datagram', () => {
      a.network.send(named, Buffer.from('again'));
      return b.seen.includes(`datagram again from ${a.network.address}`);
    });
    expect(a.network.counters.unresolved).toBeGreaterThan(0);
  });

  it('refuses a port that is taken, for datagrams or for streams, and says what to do', async () => {
    const a = await make();
    await expect(make({ bind: a.network.address })).rejects.toMatchObject({
      code: 'address-in-use',
      field: 'bind',
    });
    const server = createServer().listen(0, '127.0.0.1');
    await until('listening', () => server.listening);
    const { port } = server.address() as { port: number };
    const error = await make({ bind: `127.0.0.1:${port}` }).catch((e: unknown) => e as Error);
    expect(error).toMatchObject({ code: 'address-in-use' });
    expect((error as Error).message).toContain('--bind');
    server.close();
  });

  it.each([
    [{ bind: '192.0.2.77:0' }, 'bad-bind', 'not an address of this machine'],
    [{ bind: 'no.such.host.invalid:0' }, 'bad-bind', 'cannot be resolved'],
    [{ group: '10.0.0.1:5000' }, 'bad-multicast', 'not an IPv4 multicast group'],
    [{ group: '239.1.1.1:0' }, 'bad-multicast', 'not an IPv4 multicast group'],
    [{ interface: 'nosuch0' }, 'bad-interface', "no interface or address 'nosuch0'"],
  ])('refuses %o as %s', async (over, code, message) => {
    const error = await make(over).catch((e: unknown) => e as Error);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toContain(message);
  });

  it('multicasts on an interface chosen by name or by address', async () => {
    for (const chosen of ['lo', '127.0.0.1']) {
      const a = await make({ bind: '0.0.0.0:0', interface: chosen });
      a.network.multicast(Buffer.from(chosen));
      await until('arrived', () => a.seen.length === 1);
      expect(a.seen[0]).toBe(`multicast ${chosen} from 127.0.0.1:${splitAddress(a.network.address)?.port}`);
    }
  });

  it('on a wildcard address multicasts once on each interface that others can reach', async () => {
    const a = await make({ bind: '0.0.0.0:0' });
    a.network.multicast(Buffer.from('x'));
    await until('arrived', () => a.seen.length > 0 && a.seen.length === a.network.counters.multicastsOut);
    expect(a.network.counters.sendErrors).toBe(0);
  });

  it('keeps groups on loopback and groups outside apart', async ({ skip }) => {
    if (externalAddresses(4).length === 0) skip('this machine has loopback only');
    const inside = await make();
    const outside = await make({ bind: '0.0.0.0:0' });
    inside.network.multicast(Buffer.from('in'));
    outside.network.multicast(Buffer.from('out'));
    const heard = (end: End) => end.network.counters.multicastsIn;
    const sent = 1 + outside.network.counters.multicastsOut;
    await until('both heard', () => heard(inside) === sent && heard(outside) === sent);
    expect(inside.seen).toEqual([`multicast in from ${inside.network.address}`]);
    expect(outside.seen.filter((line) => line.startsWith('multicast in'))).toEqual([]);
    expect(inside.network.counters.foreign).toBe(sent - 1);
    expect(outside.network.counters.foreign).toBe(1);
  });

  it('closes a stream that announces a frame over the limit, having kept nothing of it', async () => {
    const a = await make();
    const socket = dial(a.network);
    socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
    await until('closed', () => a.seen.length === 2);
    expect(a.seen[1]).toBe(`closed -1 a frame of more than ${LIMITS.frameBytes} bytes was announced`);
  });

  const TIMES = { connectMs: 3000, idleMs: 15_000, unprovenMs: 60_000 };
  /** A whole frame: without a seal, that is the proof. */
  const FRAME = Buffer.from([0, 0, 0, 1, 0x78]);
  const accepted = ({ seen }: End): number => seen.filter((line) => line.startsWith('accepted')).length;
  const framed = ({ seen }: End): number => seen.filter((line) => line.startsWith('frame')).length;

  it('refuses streams beyond the bound and takes new ones when some are closed; its own calls have places left', async () => {
    const bounds = { ...LIMITS, streams: 12, ownStreams: 2, memberStreams: 0 };
    const [a, b] = [await make({ bounds }), await make()];
    for (let i = 0; i < 10; i++) dial(a.network).write(FRAME);
    await until('full', () => framed(a) === 10);
    const extra = dial(a.network);
    await until('refused', () => extra.destroyed || extra.closed);
    expect(a.network.counters.streamsRefused).toBe(1);
    for (const call of [1, 2, 3]) a.network.connect(call, b.network.address);
    await until('two outgoing ones', () => a.seen.filter((line) => line.startsWith('opened')).length === 2);
    expect(a.seen).toContain('closed 3 12 streams are open already');
    raw[0]?.destroy();
    await until('closed', () => a.seen.some((line) => line.startsWith('closed -')));
    dial(a.network);
    await until('accepted', () => a.seen.at(-1) === 'accepted -11');
  });

  it('refuses more streams from one host than its share, loopback being one host, when all have proved themselves', async () => {
    const a = await make({ bounds: { ...LIMITS, streamsPerHost: 8 } });
    for (let i = 0; i < 8; i++) dial(a.network, 1 + (i % 4)).write(FRAME);
    await until('its share', () => framed(a) === 8);
    const extra = dial(a.network, 9);
    await until('refused', () => extra.destroyed || extra.closed);
    expect(a.network.counters).toMatchObject({ streamsOfOneHost: 1, streamsRefused: 0 });
    raw[0]?.destroy();
    await until('closed', () => a.seen.at(-1)?.startsWith('closed -') === true);
    dial(a.network);
    await until('accepted', () => a.seen.at(-1)?.startsWith('accepted') === true);
  });

  it('is not shut by a stranger who opens streams, proves nothing and never ends its side: a newcomer finds room', async () => {
    const a = await make({ timeouts: TIMES });
    for (let i = 0; i < 3 * LIMITS.streamsPerHost; i++) dial(a.network, 1 + (i % 4)).allowHalfOpen = true;
    await until('all seen', () => accepted(a) === 3 * LIMITS.streamsPerHost);
    const b = await make();
    b.network.connect(1, a.network.address);
    b.network.write(1, Buffer.from('let me in'));
    await until('heard', () => a.seen.some((line) => line.endsWith(' let me in')));
    for (let i = 0; i < 2 * LIMITS.streamsPerHost; i++) dial(a.network, 1 + (i % 4)).allowHalfOpen = true;
    await until('all seen', () => accepted(a) === 5 * LIMITS.streamsPerHost + 1);
    b.network.write(1, Buffer.from('and again'));
    await until('it stays', () => a.seen.some((line) => line.endsWith(' and again')));
    expect(a.network.counters).toMatchObject({ streamsRefused: 0, streamsOfOneHost: 0 });
    expect(a.network.counters.streamsUnproven).toBe(4 * LIMITS.streamsPerHost + 1);
    expect(b.seen).toEqual(['opened 1']);
  });

  it('cuts a caller that has not proved itself in time, whatever trickles in', async () => {
    const timeouts = { connectMs: 3000, idleMs: 15_000, unprovenMs: 300 };
    const a = await make({ timeouts, sink: { proven: () => false } });
    const socket = dial(a.network);
    const trickle = setInterval(() => socket.write(FRAME), 20);
    await until('cut', () => socket.destroyed).finally(() => clearInterval(trickle));
    expect(framed(a)).toBeGreaterThan(0);
    expect(a.seen.at(-1)).toBe('closed -1 it proved nothing in 0.3 s');
  });

  it('lets who proved nothing read why it is closed, without waiting for its end, and counts no place for who lingers', async () => {
    const bounds = { ...LIMITS, streams: 2, ownStreams: 0, memberStreams: 0 };
    const [a, b] = [await make({ bounds, sink: { proven: () => false } }), await make({ bounds })];
    const unproven = dial(a.network);
    unproven.allowHalfOpen = true;
    const got: Buffer[] = [];
    unproven.on('data', (chunk) => got.push(chunk));
    unproven.write(FRAME);
    await until('heard', () => framed(a) === 1);
    a.network.write(-1, Buffer.from('why'));
    a.network.close(-1);
    await until('told', () => unproven.readableEnded);
    expect(Buffer.concat(got).toString('latin1')).toContain('why');
    // Those that proved themselves linger, for they never end their side; two more find room all the same.
    for (let i = 0; i < 2; i++) {
      const socket = dial(b.network);
      socket.allowHalfOpen = true;
      socket.write(FRAME);
    }
    await until('both', () => framed(b) === 2);
    for (const call of [-1, -2]) {
      b.network.write(call, Buffer.from('bye'));
      b.network.close(call);
    }
    for (let i = 0; i < 2; i++) dial(b.network).write(FRAME);
    await until('two more', () => framed(b) === 4);
  });

  it('has the place of a caller back at once when it closes on one that was never answered', async () => {
    const a = await make();
    for (let i = 0; i < LIMITS.streamsPerHost; i++) dial(a.network).write(Buffer.from([0, 0, 0, 1, 7]));
    await until(
      'its share',
      () => a.seen.filter((line) => line.startsWith('frame')).length === LIMITS.streamsPerHost,
    );
    const streams = a.seen.filter((line) => line.startsWith('accepted'));
    // None of the callers ends its side.
    for (const socket of raw) socket.allowHalfOpen = true;
    for (let i = 1; i <= streams.length; i++) a.network.close(-i);
    await until('told', () => raw.every((socket) => socket.readableEnded || socket.destroyed));
    dial(a.network);
    await until('a new one', () => a.seen.at(-1) === `accepted -${LIMITS.streamsPerHost + 1}`);
    expect(a.network.counters.streamsOfOneHost).toBe(0);
  });

  it('closes a stream on which nothing happens, on both sides, and says so', async () => {
    const timeouts = { ...TIMES, idleMs: 50 };
    const [a, b] = [await make({ timeouts }), await make()];
    b.network.connect(1, a.network.address);
    await until('closed', () => a.seen.length === 2 && b.seen.length === 2);
    expect(a.seen).toEqual(['accepted -1', 'closed -1 idle for 0.05 s']);
    expect(b.seen[1]).toMatch(/^closed 1 (closed by the peer|the connection was cut)$/);
  });

  it('gives up a name that is not resolved, or not in time', async () => {
    const a = await make({ timeouts: { ...TIMES, connectMs: 1 } });
    a.network.connect(1, 'no.such.host.invalid:1' as Address);
    await until('closed', () => a.seen.length === 1);
    expect(a.seen[0]).toMatch(
      /^closed 1 'no\.such\.host\.invalid' (was not resolved in time|cannot be resolved)/,
    );
  });

  it('counts what it sends and receives', async () => {
    const [a, b] = [await make(), await make()];
    a.network.send(b.network.address, Buffer.from('12345'));
    await until('arrived', () => b.seen.length === 1);
    expect(a.network.counters).toMatchObject({ datagramsOut: 1, datagramBytesOut: 5, sendErrors: 0 });
    expect(b.network.counters).toMatchObject({ datagramsIn: 1, datagramBytesIn: 5 });
  });

  it('counts a send that the system refuses, and goes on', async () => {
    const a = await make();
    // Bound to loopback it cannot reach the world.
    a.network.send('192.0.2.1:9' as Address, Buffer.from('x'));
    await until('counted', () => a.network.counters.sendErrors === 1);
    a.network.send(a.network.address, Buffer.from('self'));
    await until('arrived', () => a.seen.length === 1);
  });
});
