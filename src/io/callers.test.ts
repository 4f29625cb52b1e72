import { describe, expect, it } from 'vitest';
import { LIMITS } from '../base/index.ts';
import { Callers, hostOf } from './callers.ts';

/** Takes calls as the endpoint does. */
class Door {
  readonly callers: Callers;
  readonly open = new Map<number, string>();
  #last = 0;

  constructor(members: readonly string[] = []) {
    this.callers = new Callers((ip) => members.includes(ip));
  }

  call(ip: string, proves = false): number | null {
    const { refused, victim } = this.callers.room(ip);
    if (refused !== null) return null;
    if (victim !== null) this.close(victim);
    const stream = ++this.#last;
    this.callers.add(stream, ip);
    this.open.set(stream, ip);
    if (proves) this.callers.proved(stream);
    return stream;
  }

  close(stream: number): void {
    this.callers.remove(stream);
    this.open.delete(stream);
  }
}

describe('callers', () => {
  it('of one /64, and of all of 127/8, count as one host', () => {
    for (const [ip, host] of [
      ['192.0.2.1', '192.0.2.1'],
      ['127.0.0.1', '127'],
      ['127.9.8.7', '127'],
      ['::1', '::1'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2/64'],
      ['2001:db8:1:2::9', '2001:db8:1:2/64'],
      ['2001:db8::5', '2001:db8:0:0/64'],
      ['fe80::1%eth0', 'fe80:0:0:0/64'],
      ['2001:db8:1:2:3:4:192.0.2.1', '2001:db8:1:2/64'],
      ['64:ff9b::192.0.2.1', '64:ff9b:0:0/64'],
    ] as const) {
      expect(hostOf(ip), ip).toBe(host);
    }
    const door = new Door();
    for (let i = 0; i < 1000; i++) door.call(`2001:db8::${(i + 1).toString(16)}`);
    expect(door.open.size).toBe(LIMITS.streamsPerHost);
  });

  it('that prove nothing do not push a newcomer of another host out, however fast they come', () => {
    const door = new Door();
    const newcomer = door.call('192.0.2.9') as number;
    for (let i = 0; i < 10_000; i++) door.call(`10.0.0.${i % 4}`);
    expect(door.open.has(newcomer)).toBe(true);
    expect(door.open.size).toBeLessThanOrEqual(LIMITS.unprovenStreams);
    expect(door.call('192.0.2.10')).not.toBeNull();
    expect(door.open.has(newcomer)).toBe(true);
  });

  it('from where members live have places that no stranger takes, not even one with a host for each call', () => {
    const door = new Door(['192.0.2.1', '192.0.2.2']);
    const member = door.call('192.0.2.1') as number;
    for (let i = 0; i < 10_000; i++) door.call(`10.0.${i >> 8}.${i & 255}`);
    expect(door.open.has(member)).toBe(true);
    // Strangers that proved themselves stay, and leave the members' places alone.
    for (let i = 0; i < 10_000; i++) door.call(`10.1.${i >> 8}.${i & 255}`, true);
    const strangers = [...door.open.values()].filter((ip) => ip.startsWith('10.')).length;
    expect(strangers).toBe(LIMITS.streams - LIMITS.ownStreams - LIMITS.memberStreams);
    expect(door.call('10.3.0.1')).toBeNull();
    for (let i = 0; i < LIMITS.memberStreams - 1; i++) expect(door.call('192.0.2.2', true)).not.toBeNull();
    expect(door.open.size).toBe(LIMITS.streams - LIMITS.ownStreams);
    expect(door.open.has(member)).toBe(true);
  });

  it('that are gone leave nothing behind', () => {
    const door = new Door(['192.0.2.1']);
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 100; i++) door.call(i % 2 === 0 ? '192.0.2.1' : `10.0.0.${i}`, i % 3 === 0);
      for (const stream of [...door.open.keys()]) door.close(stream);
    }
    for (let i = 0; i < LIMITS.streamsPerHost; i++) expect(door.call('192.0.2.1', true)).not.toBeNull();
    expect(door.call('192.0.2.1')).toBeNull();
  });
});
