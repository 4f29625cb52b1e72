/** For tests only: what every transport under a machine must do, the one on sockets and any in memory. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Address, LIMITS } from '../../base/index.ts';
import type { Network, NetworkSink } from '../network.ts';
import { until } from './poll.ts';

/** One end with all that came in, as text. */
export interface End {
  readonly network: Network;
  readonly seen: string[];
}

/** A sink that writes down what it is told. */
export function recordingSink(seen: string[]): NetworkSink {
  const text = (bytes: Uint8Array): string =>
    bytes.length > 100 ? `${bytes.length} bytes` : Buffer.from(bytes).toString();
  return {
    datagram: (bytes, from, via) =>
      seen.push(`${via ? 'multicast' : 'datagram'} ${text(bytes)} from ${from}`),
    accepted: (stream) => seen.push(`accepted ${stream}`),
    opened: (stream) => seen.push(`opened ${stream}`),
    frame: (stream, bytes) => seen.push(`frame ${stream} ${text(bytes)}`),
    closed: (stream, reason) => seen.push(`closed ${stream} ${reason}`),
  };
}

export function networkSuite(kind: string, open: () => Promise<End>): void {
  const ends: End[] = [];
  const make = async (): Promise<End> => {
    const end = await open();
    ends.push(end);
    return end;
  };
  afterEach(async () => {
    for (const end of ends.splice(0)) await end.network.stop();
  });
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  describe(`network contract, ${kind}`, () => {
    it('delivers a datagram with the gossip address of its sender', async () => {
      const [a, b] = [await make(), await make()];
      a.network.send(b.network.address, bytes('hello'));
      await until('arrived', () => b.seen.length > 0);
      expect(b.seen).toEqual([`datagram hello from ${a.network.address}`]);
    });

    it('carries datagrams up to the limit and drops longer ones', async () => {
      const [a, b] = [await make(), await make()];
      a.network.send(b.network.address, new Uint8Array(LIMITS.datagramBytes + 1));
      a.network.send(b.network.address, new Uint8Array(LIMITS.datagramBytes));
      await until('arrived', () => b.seen.length > 0);
      expect(b.seen).toEqual([`datagram ${LIMITS.datagramBytes} bytes from ${a.network.address}`]);
      expect(b.network.counters.oversized).toBe(1);
    });

    it('hands a multicast to everybody, its sender included, with the gossip address as its source', async () => {
      const group = [await make(), await make(), await make()];
      const from = group[0] as End;
      from.network.multicast(bytes('all'));
      const line = `multicast all from ${from.network.address}`;
      await until('arrived', () => group.every((end) => end.seen.includes(line)));
      expect(group.map((end) => end.seen.length)).toEqual([1, 1, 1]);
    });

    it('opens a stream, keeps the order of frames both ways, and tells the other side of its close', async () => {
      const [a, b] = [await make(), await make()];
      a.network.connect(7, b.network.address);
      for (let i = 0; i < 50; i++) a.network.write(7, bytes(`f${i}`));
      await until('frames', () => b.seen.includes('frame -1 f49'));
      expect(b.seen).toEqual(['accepted -1', ...Array.from({ length: 50 }, (_, i) => `frame -1 f${i}`)]);
      b.network.write(-1, bytes('back'));
      await until('answer', () => a.seen.includes('frame 7 back'));
      expect(a.seen).toEqual(['opened 7', 'frame 7 back']);
      a.network.close(7);
      await until('closed', () => b.seen.at(-1)?.startsWith('closed -1') === true);
      expect(a.seen).toHaveLength(2);
    });

    it('sends everything written before a close, the greatest frame too', async () => {
      const [a, b] = [await make(), await make()];
      a.network.connect(1, b.network.address);
      a.network.write(1, new Uint8Array(LIMITS.frameBytes));
      a.network.write(1, bytes('last'));
      a.network.close(1);
      await until('arrived', () => b.seen.at(-1)?.startsWith('closed -1') === true);
      expect(b.seen.slice(1, 3)).toEqual([`frame -1 ${LIMITS.frameBytes} bytes`, 'frame -1 last']);
      expect(a.seen.filter((line) => line.startsWith('closed'))).toEqual([]);
    });

    it('reports a stream that cannot be opened as closed, later and once', async () => {
      const [a, b] = [await make(), await make()];
      const nobody = b.network.address;
      await b.network.stop();
      a.network.connect(1, nobody);
      a.network.write(1, bytes('x'));
      a.network.connect(2, 'not an address' as Address);
      expect(a.seen).toEqual([]);
      await until('closed', () => a.seen.length >= 2);
      expect(a.seen.map((line) => line.split(' ').slice(0, 2).join(' ')).sort()).toEqual([
        'closed 1',
        'closed 2',
      ]);
    });

    it('ignores handles it does not know, and addresses nobody can reach', async () => {
      const end = await make();
      end.network.write(99, bytes('x'));
      end.network.close(99);
      for (const to of ['', 'x', '127.0.0.1:0', ':1', '[::1']) end.network.send(to as Address, bytes('x'));
      end.network.send(end.network.address, bytes('self'));
      await until('arrived', () => end.seen.length > 0);
      expect(end.seen).toEqual([`datagram self from ${end.network.address}`]);
    });

    it('closes a stream whose peer does not read, rather than hold more than the backlog', async () => {
      const [a, b] = [await make(), await make()];
      a.network.connect(1, b.network.address);
      const frames = LIMITS.streamBacklogBytes / LIMITS.frameBytes + 1;
      // Within one turn nothing is sent, as if the peer did not read.
      for (let i = 0; i < frames; i++) a.network.write(1, new Uint8Array(LIMITS.frameBytes));
      await until('closed', () => a.seen.some((line) => line.startsWith('closed 1')));
      expect(a.seen.at(-1)).toBe('closed 1 the peer reads too slowly');
    });
  });
}
