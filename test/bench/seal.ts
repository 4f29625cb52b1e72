/**
 * What sealing costs: `npm run bench -- seal`. Processor time (not wall time) of one datagram sealed and opened, of 100 and of
 * 1148 bytes (the longest message), all that the room does included: key lookup, replay window, counters. Beside it
 * bare ChaCha20-Poly1305 of node:crypto, once sealed and once opened, which is the floor.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type Address, LIMITS } from '../../src/base/index.ts';
import { GroupSeal, OVERHEAD_BYTES, parseKey } from '../../src/seal/index.ts';
import { median } from './stats.ts';

export const what = 'CPU time to seal and open a datagram, beside bare ChaCha20-Poly1305 of node:crypto';
export const quick = true;

const PASSES = 15;
const DATAGRAMS = 4000;
/** Sealed, then opened, before the next so many: a datagram that comes from a network is not one of thousands in memory. */
const AT_ONCE = 50;

function cpuMicros(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / DATAGRAMS;
}

const [AT, TO] = ['10.0.0.1:1', '10.0.0.2:1'] as [Address, Address];
const KEY = parseKey(randomBytes(32).toString('base64'));

function end(node: string, wire: Uint8Array[], came: () => void): GroupSeal {
  const nothing = (): void => {};
  return new GroupSeal({
    cluster: 'bench',
    node: (node === AT ? 'a' : 'b').repeat(16),
    keys: [KEY],
    saved: null,
    below: {
      send: (_to, bytes) => void wire.push(bytes),
      multicast: nothing,
      connect: nothing,
      write: nothing,
      close: nothing,
    },
    above: { datagram: came, accepted: nothing, opened: nothing, frame: nothing, closed: nothing },
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    save: nothing,
    peers: () => [],
    log: nothing,
  });
}

function ours(bytes: number): { seal: number; open: number } {
  const wire: Uint8Array[] = [];
  let came = 0;
  const [a, b] = [AT, TO].map((address) => end(address, wire, () => came++)) as [GroupSeal, GroupSeal];
  a.outgoing.send(TO, randomBytes(bytes));
  // The first datagram, the challenge, the proof.
  for (let turn = 0; wire.length > 0; turn++) {
    const datagram = wire.shift() as Uint8Array;
    (turn % 2 === 0 ? b : a).incoming.datagram(datagram, turn % 2 === 0 ? AT : TO, false);
  }
  const message = randomBytes(bytes);
  const seal: number[] = [];
  const open: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    came = 0;
    let [sealing, opening] = [0, 0];
    for (let done = 0; done < DATAGRAMS; done += AT_ONCE) {
      sealing += cpuMicros(() => {
        for (let i = 0; i < AT_ONCE; i++) a.outgoing.send(TO, message);
      });
      opening += cpuMicros(() => {
        for (const datagram of wire) b.incoming.datagram(datagram, AT, false);
      });
      wire.length = 0;
    }
    seal.push(sealing);
    open.push(opening);
    if (came !== DATAGRAMS) throw new Error('not all were opened');
  }
  return { seal: median(seal), open: median(open) };
}

function bare(bytes: number): { seal: number; open: number } {
  const [key, nonce, message] = [randomBytes(32), randomBytes(12), randomBytes(bytes)];
  const options = { authTagLength: 16 };
  let sealed = message;
  let tag = message;
  const seal: number[] = [];
  const open: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    seal.push(
      cpuMicros(() => {
        for (let i = 0; i < DATAGRAMS; i++) {
          const cipher = createCipheriv('chacha20-poly1305', key, nonce, options);
          sealed = cipher.update(message);
          cipher.final();
          tag = cipher.getAuthTag();
        }
      }),
    );
    open.push(
      cpuMicros(() => {
        for (let i = 0; i < DATAGRAMS; i++) {
          const decipher = createDecipheriv('chacha20-poly1305', key, nonce, options);
          decipher.setAuthTag(tag);
          decipher.update(sealed);
          decipher.final();
        }
      }),
    );
  }
  return { seal: median(seal), open: median(open) };
}

export async function run(): Promise<undefined> {
  console.log(`median of ${PASSES} passes of ${DATAGRAMS}; ${OVERHEAD_BYTES} bytes are added to each`);
  console.log('us of CPU per datagram      seal    open     sum');
  for (const bytes of [100, LIMITS.messageBytes]) {
    for (const [name, measure] of [
      ['shoal', ours],
      ['bare', bare],
    ] as const) {
      const { seal, open } = measure(bytes);
      const figures = [seal, open, seal + open].map((n) => n.toFixed(1).padStart(8)).join('');
      console.log(`${`${bytes} bytes, ${name}`.padEnd(24)}${figures}`);
    }
  }
}
