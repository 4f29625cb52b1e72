import type { NetworkInterfaceInfo } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { AddressWatch, advertised, type Found } from './advertise.ts';

type Interfaces = Record<string, NetworkInterfaceInfo[]>;

/** Interfaces by name with one IPv4 address each. */
function having(ips: Readonly<Record<string, string>>): Interfaces {
  const all: Interfaces = {};
  for (const [name, address] of Object.entries({ lo: '127.0.0.1', ...ips })) {
    const rest = { netmask: '255.255.255.0', mac: '02:00:00:00:00:01', cidr: null, internal: name === 'lo' };
    all[name] = [{ family: 'IPv4', address, ...rest }];
  }
  return all;
}

const lookAt = (ips: Readonly<Record<string, string>>): Found =>
  advertised('0.0.0.0:7' as Address, null, having(ips));

let watch: AddressWatch | null = null;
afterEach(() => watch?.stop());

/** A watch, and what it told after each of these sights of the interfaces. */
function told(sights: readonly Readonly<Record<string, string>>[]): string[] {
  let now = lookAt(sights[0] ?? {});
  const out: string[] = [];
  watch = new AddressWatch(
    () => now,
    now,
    (to) => out.push(to.join()),
  );
  for (const sight of sights) {
    now = lookAt(sight);
    watch.check();
  }
  return out;
}

describe('what is told of a wildcard', () => {
  it('is not what containers have, while there is anything else', () => {
    expect(lookAt({ docker0: '172.17.0.1', eth7: '192.0.2.5' }).addresses).toEqual(['192.0.2.5:7']);
    expect(lookAt({ docker0: '172.17.0.1' })).toEqual({ addresses: ['172.17.0.1:7'], makeshift: true });
    expect(lookAt({})).toEqual({ addresses: ['127.0.0.1:7'], makeshift: true });
    expect(advertised('192.0.2.5:7' as Address, null, {}).addresses).toEqual(['192.0.2.5:7']);
  });

  it('has link-local addresses last, the chosen interface first, and four at most', () => {
    const ips = { eth7: '169.254.1.1', eth8: '192.0.2.8', eth9: '192.0.2.9' };
    expect(lookAt(ips).addresses.at(-1)).toBe('169.254.1.1:7');
    expect(advertised('0.0.0.0:7' as Address, 'eth9', having(ips)).addresses[0]).toBe('192.0.2.9:7');
    const many = Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`eth${n + 10}`, `192.0.2.${n}`]));
    expect(lookAt(many).addresses).toHaveLength(4);
  });
});

describe('a watch over addresses', () => {
  const [old, other] = [{ eth7: '192.0.2.5' }, { eth7: '192.0.2.6' }];
  const docker = { docker0: '172.17.0.1' };

  it('tells a new address when two looks saw it', () => {
    expect(told([old, other])).toEqual([]);
    expect(told([old, other, other, other])).toEqual(['192.0.2.6:7']);
    expect(told([old, other, other, old, old])).toEqual(['192.0.2.6:7', '192.0.2.5:7']);
  });

  it('does not count two looks between which the address was the told one', () => {
    expect(told([old, other, old, other, old, other, old])).toEqual([]);
  });

  it('keeps to what was told while there is only loopback, or only interfaces of containers', () => {
    expect(told([old, {}, {}, {}, old])).toEqual([]);
    expect(told([{ ...old, ...docker }, docker, docker, docker, { ...old, ...docker }])).toEqual([]);
    expect(told([{ ...old, ...docker }, docker, docker, other, other])).toEqual(['192.0.2.6:7']);
  });

  it('tells of interfaces of containers where there was never anything else', () => {
    expect(told([docker, { docker0: '172.18.0.1' }, { docker0: '172.18.0.1' }])).toEqual(['172.18.0.1:7']);
    expect(told([{}, docker, docker, old, old])).toEqual(['172.17.0.1:7', '192.0.2.5:7']);
  });

  it('leaves the address that peers use in front when another comes', () => {
    expect(told([{ eth9: '192.0.2.9' }, ...Array(2).fill({ eth1: '192.0.2.1', eth9: '192.0.2.9' })])).toEqual(
      ['192.0.2.9:7,192.0.2.1:7'],
    );
  });
});
