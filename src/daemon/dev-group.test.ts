import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import type { EventView } from '../node/contract.ts';
import { eventLine, shellWord } from './dev.ts';
import { childEnvironment } from './dev-child.ts';
import { alignColumns, devNetwork, equalShare } from './dev-group.ts';

test('equal shares cover the key space without a gap or an overlap, for any number of nodes', () => {
  for (let count = 1; count <= 64; count++) {
    let next = 0;
    for (let i = 0; i < count; i++) {
      const { start, end } = equalShare(i, count);
      expect(start).toBe(next);
      expect(end).toBeGreaterThan(start);
      next = end + 1;
    }
    expect(next).toBe(2 ** 32);
  }
});

test('a directory has one network, another directory another, and both are multicast groups with usable ports', () => {
  const a = devNetwork('/tmp/a');
  expect(devNetwork('/tmp/a')).toEqual(a);
  expect(devNetwork('/tmp/b').cluster).not.toBe(a.cluster);
  for (let i = 0; i < 200; i++) {
    const [host, port] = devNetwork(`/tmp/${i}`).multicast.split(':');
    expect(host).toMatch(/^239\.77\.\d{1,3}\.([1-9]\d{0,2})$/);
    expect(Number(port)).toBeGreaterThanOrEqual(20_000);
    expect(Number(port)).toBeLessThan(30_000);
  }
});

test('children do not inherit settings or the service manager of their parent', () => {
  const env = { PATH: '/bin', SHOAL_NAME: 'x', NOTIFY_SOCKET: '/run/n', STATE_DIRECTORY: '/var/lib/shoal' };
  expect(childEnvironment(env)).toEqual({ PATH: '/bin' });
});

test('columns are as wide as their widest cell, the last one not padded', () => {
  expect(
    alignColumns([
      ['a', 'bb'],
      ['ccc', 'd'],
    ]),
  ).toEqual(['a    bb', 'ccc  d']);
});

test('a path is one word to a shell, whatever is in it', () => {
  expect(shellWord('/tmp/shoal-dev-aB3/node-1/shoal.sock')).toBe('/tmp/shoal-dev-aB3/node-1/shoal.sock');
  const odd = "/tmp/it's $HOME/`x`";
  expect(execFileSync('sh', ['-c', `printf %s ${shellWord(odd)}`], { encoding: 'utf8' })).toBe(odd);
});

test('an event is a line with its time, type, subject, range and origin', () => {
  const event: EventView = {
    id: 7,
    type: 'range-priority',
    time: '2026-11-21T03:24:45.123Z',
    subject: '0000000000000002' as NodeId,
    name: 'node-2',
    origin: '0000000000000001' as NodeId,
    range: { start: 0, end: 0x3fffffff, priority: 4 },
  };
  expect(eventLine(event, () => 'node-1')).toBe(
    '03:24:45.123  range-priority    node-2  0x00000000-0x3fffffff:4  by node-1',
  );
  const member: EventView = {
    id: 8,
    type: 'member-join',
    time: '2026-11-21T03:24:45.123Z',
    subject: '0000000000000002' as NodeId,
    name: 'node-2',
    origin: null,
    member: { status: 'alive', address: '127.0.0.1:1' as Address, incarnation: 3, was: null },
  };
  expect(eventLine(member, () => '')).toBe(
    '03:24:45.123  member-join       node-2  127.0.0.1:1 incarnation 3',
  );
});
