import { expect, test } from 'vitest';
import { ShoalError } from '../base/index.ts';
import { type AgentOptions, configOf } from './library-options.ts';

const AROUND = { hostname: 'board', homedir: '/home/u' };

test('without options an agent in a program has the defaults of the daemon', () => {
  const config = configOf({}, AROUND);
  expect(config.name).toBe('board');
  expect(config.bind).toBe('127.0.0.1:29999');
  expect(config.http).toBe('127.0.0.1:29980');
  expect(config.multicast).toBe('239.77.29.99:29998');
  expect(config.dataDir).toBe('/home/u/.local/state/shoal/board');
});

test('every option reaches its setting', () => {
  const config = configOf(
    {
      name: 'a',
      cluster: 'c',
      dataDir: '/d',
      bind: '127.0.0.1:0',
      advertise: '127.0.0.1:7',
      join: ['127.0.0.1:1', '127.0.0.1:2'],
      interface: 'lo',
      multicast: '239.1.2.3:4',
      http: false,
      socket: '/d/s',
      insecure: true,
      probePeriod: 400,
      suspicionPeriods: 2.5,
      forgetAfter: 3600,
      ranges: [
        { start: 1, end: 2 },
        { start: 3, end: 4, priority: 9 },
      ],
      tags: { rack: '3', note: 'a=b, c' },
    },
    AROUND,
  );
  expect(config).toMatchObject({
    name: 'a',
    cluster: 'c',
    dataDir: '/d',
    bind: '127.0.0.1:0',
    advertise: '127.0.0.1:7',
    join: ['127.0.0.1:1', '127.0.0.1:2'],
    interface: 'lo',
    multicast: '239.1.2.3:4',
    http: null,
    socket: '/d/s',
    insecure: true,
    probePeriodMs: 400,
    suspicionPeriods: 2.5,
    forgetAfterMs: 3_600_000,
    ranges: [
      { start: 1, end: 2, priority: 1 },
      { start: 3, end: 4, priority: 9 },
    ],
    tags: { rack: '3', note: 'a=b, c' },
  });
  expect(configOf({ multicast: false }, AROUND).multicast).toBeNull();
});

test('a wrong or unknown option is refused by name', () => {
  const refused: [AgentOptions, string][] = [
    [{ bind: 'nowhere' }, 'bind'],
    [{ bind: '192.0.2.1:1' }, 'bind'],
    [{ ranges: [{ start: 5, end: 4 }] }, 'range'],
    [{ ranges: [{ start: 0.5, end: 4 }] }, 'range'],
    [{ probePeriod: 99 }, 'probe_period'],
    [{ suspicionPeriods: 0 }, 'suspicion_periods'],
    [{ forgetAfter: 1 }, 'forget_after'],
    [{ nmae: 'x' } as AgentOptions, 'nmae'],
  ];
  for (const [options, field] of refused) {
    try {
      configOf(options, AROUND);
      expect.fail(`accepted: ${JSON.stringify(options)}`);
    } catch (error) {
      expect(error).toBeInstanceOf(ShoalError);
      expect((error as ShoalError).field).toBe(field);
    }
  }
});
