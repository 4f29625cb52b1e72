/** As frozen.test.ts, with a key: an old node's seal (sealed1.ts) against the present one. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Address } from '../../src/base/index.ts';
import { Bench, key, type Peer, type Sent } from '../../src/seal/testing/bench.ts';
import { CHALLENGE, keyId, MESSAGE, OldBoot, OldCall, PROOF, RING, ringOf } from './sealed1.ts';

const CLUSTER = 'bench';
const OLD = '10.0.0.77:1' as Address;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('an old sealed peer', () => {
  let bench: Bench;
  let peer: Peer;
  let old: OldBoot;
  beforeEach(() => {
    bench = new Bench();
    peer = bench.add();
    old = new OldBoot(key(1), CLUSTER);
  });

  const toPeer = (bytes: Uint8Array): void => peer.seal.incoming.datagram(bytes, OLD, false);
  /** What the present one has said since the last time. */
  const said = (): Sent[] => bench.recorded.splice(0);

  /** The first message, the question whether it lives, the answer. */
  function meet(message: string): void {
    toPeer(old.seal(MESSAGE, Buffer.from(message)));
    const [question] = said();
    expect(question?.to).toBe(OLD);
    const { kind, content } = old.open(question?.bytes ?? new Uint8Array(0));
    // The question, and zeros, so that the answer is no longer.
    expect([kind, content.length]).toEqual([CHALLENGE, 14]);
    const floor = Buffer.alloc(6);
    floor.writeUIntBE(1, 0, 6);
    toPeer(old.seal(PROOF, Buffer.concat([content.subarray(0, 8), floor])));
  }

  it('names a key and a ring as the present one does', () => {
    expect(peer.ids()).toBe(keyId(key(1), CLUSTER));
    expect(text(peer.seal.ring.encode())).toBe(text(ringOf(key(1), CLUSTER)));
  });

  it('proves that it lives, and is heard', () => {
    meet('first');
    toPeer(old.seal(MESSAGE, Buffer.from('second')));
    expect(peer.came).toEqual(['first', 'second']);
    expect(peer.dropped).toEqual({});
    expect(said()).toEqual([]);
  });

  it('opens what the present one seals, and answers its question', () => {
    peer.seal.outgoing.send(OLD, Buffer.from('hello, old one'));
    const [sent] = said();
    const opened = old.open(sent?.bytes ?? new Uint8Array(0));
    expect([opened.kind, text(opened.content)]).toEqual([MESSAGE, 'hello, old one']);
    toPeer(old.seal(CHALLENGE, Buffer.from('12345678\0\0\0\0\0\0')));
    const answers = said().map(({ bytes }) => old.open(bytes));
    const proof = answers.find(({ kind }) => kind === PROOF);
    expect(text(proof?.content.subarray(0, 8) ?? new Uint8Array(0))).toBe('12345678');
    expect(proof?.content.length).toBe(14);
    expect(Buffer.from(proof?.content ?? []).readUIntBE(8, 6)).toBeLessThanOrEqual(proof?.counter ?? 0);
  });

  it('calls, and is understood and answered on the stream', () => {
    const call = new OldCall(key(1), CLUSTER);
    const { incoming, outgoing } = peer.seal;
    incoming.accepted(-1, OLD);
    incoming.frame(-1, call.hello);
    const [greeting, introduction] = said();
    expect(call.agreed(greeting?.bytes ?? new Uint8Array(0))).toBe(keyId(key(1), CLUSTER));
    expect(call.open(introduction?.bytes ?? new Uint8Array(0)).kind).toBe(RING);
    incoming.frame(-1, call.introduction(old));
    incoming.frame(-1, call.seal(MESSAGE, Buffer.from('question')));
    expect(peer.streams).toEqual(['accepted -1', 'frame -1 question']);
    outgoing.write(-1, Buffer.from('answer'));
    const [answer] = said();
    const { kind, content } = call.open(answer?.bytes ?? new Uint8Array(0));
    expect([kind, text(content)]).toEqual([MESSAGE, 'answer']);
    expect(peer.dropped).toEqual({});
  });

  it('and a newer one: unknown kinds of sealed content are dropped, counted as that, and break nothing', () => {
    meet('first');
    toPeer(old.seal(9, Buffer.from('a kind of later')));
    toPeer(old.seal(MESSAGE, Buffer.from('second')));
    expect(peer.came).toEqual(['first', 'second']);
    expect(peer.dropped).toEqual({ 'unknown-kind': 1 });
    const call = new OldCall(key(1), CLUSTER);
    const { incoming } = peer.seal;
    incoming.accepted(-1, OLD);
    incoming.frame(-1, call.hello);
    call.agreed(said()[0]?.bytes ?? new Uint8Array(0));
    incoming.frame(-1, call.introduction(old));
    incoming.frame(-1, call.seal(9, Buffer.from('a kind of later')));
    incoming.frame(-1, call.seal(MESSAGE, Buffer.from('third')));
    expect(peer.streams.at(-1)).toBe('frame -1 third');
    expect(peer.dropped).toEqual({ 'unknown-kind': 2 });
  });
});
