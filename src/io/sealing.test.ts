import { describe, expect, it } from 'vitest';
import { type Address, LIMITS } from '../base/index.ts';
import type { NetworkSink } from './network.ts';
import { SealedElsewhere } from './sealing.ts';

function keyless(): { sealed: SealedElsewhere; seen: string[]; logs: string[]; at: (ms: number) => void } {
  const seen: string[] = [];
  const logs: string[] = [];
  let nowMs = 0;
  const above: NetworkSink = {
    datagram: (bytes) => seen.push(`datagram ${bytes[0]}`),
    accepted: (stream) => seen.push(`accepted ${stream}`),
    opened: (stream) => seen.push(`opened ${stream}`),
    frame: (stream, bytes) => seen.push(`frame ${stream} ${bytes[0]}`),
    closed: (stream, reason) => seen.push(`closed ${stream} ${reason}`),
  };
  const below = { close: (stream: number) => void seen.push(`close ${stream}`) };
  const sealed = new SealedElsewhere(
    above,
    below,
    () => nowMs,
    (line) => logs.push(line),
  );
  return { sealed, seen, logs, at: (ms) => (nowMs = ms) };
}

const at = (n: number): Address => `10.0.0.${n}:1` as Address;

describe('a node without a key among those that seal', () => {
  it('says so: in a warning and the log for datagrams, and as the reason why a call failed', () => {
    const { sealed, seen, logs, at: now } = keyless();
    sealed.sink.datagram(Uint8Array.of(1, 2), at(1), false);
    expect(sealed.warnings()).toEqual([]);
    sealed.sink.datagram(Uint8Array.of(0x81, 2), at(1), true);
    expect(sealed.warnings()).toEqual([
      expect.stringMatching(/^10.0.0.1:1 seals its traffic and this node has no key.*--key-file/),
    ]);
    sealed.sink.opened(4);
    sealed.sink.frame(4, Uint8Array.of(0x81, 3, 0));
    expect(seen.slice(2)).toEqual([
      ...['opened 4', 'frame 4 129', 'close 4'],
      'closed 4 that node seals its traffic and this one has no key: start it with --key-file',
    ]);
    sealed.sink.accepted(-1, at(2));
    sealed.sink.frame(-1, Uint8Array.of(0x81, 1));
    expect(sealed.warnings().join()).toContain('10.0.0.1:1, 10.0.0.2:1 seal their traffic');
    expect(logs).toHaveLength(1);
    now(60_001);
    expect(sealed.warnings()).toEqual([]);
  });

  it('remembers few, and names fewer', () => {
    const { sealed, logs } = keyless();
    for (let n = 0; n < 1000; n++) sealed.sink.datagram(Uint8Array.of(0x81), at(n), false);
    expect(sealed.warnings()).toHaveLength(1);
    expect(sealed.warnings().join().length).toBeLessThan(300);
    expect([logs.length, LIMITS.keyStrangers < 1000]).toEqual([1, true]);
  });
});
