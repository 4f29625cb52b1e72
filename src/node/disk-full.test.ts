import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { LIMITS } from '../base/index.ts';
import type { Answer } from './machine.ts';
import { Lab, type Seat } from './testing/lab.ts';

const FULL = { code: 'disk-full', message: 'no space left' };
const code = (answer: Answer | undefined): string | null =>
  answer !== undefined && 'error' in answer ? answer.error.code : null;
const register = (start: number, priority = 1) =>
  ({ kind: 'register', start, end: start, priority }) as const;
const adjust = (start: number, by: number) => ({ kind: 'adjust', start, end: start, by }) as const;
const priorities = (seat: Seat): number[] => seat.node.ranges().map((r) => r.priority);

const settled = (count: number): Lab => {
  const lab = new Lab();
  for (let i = 0; i < count; i++)
    lab.add({ multicast: false, join: i === 0 ? [] : ['10.0.0.0:1' as Address] });
  lab.run(5000);
  return lab;
};

describe('a change that the disk refuses while later ones of the same range are written', () => {
  /** The first command's record is refused, the others' are not. */
  const firstRefused = (commands: Parameters<Lab['ask']>[1][], before: number | null): Seat => {
    const lab = settled(1);
    const seat = lab.seats[0] as Seat;
    if (before !== null) lab.ask(seat, register(0, before));
    const tokens: number[] = [];
    commands.forEach((command, i) => {
      seat.diskError = i === 0 ? FULL : null;
      tokens.push(lab.command(seat, command));
    });
    lab.run(100);
    expect(tokens.map((token) => code(seat.answers.get(token)))).toEqual([
      'disk-full',
      ...commands.slice(1).map(() => null),
    ]);
    return seat;
  };

  it('leaves a later register as it was answered', () => {
    expect(priorities(firstRefused([adjust(0, 3), register(0, 9)], 4))).toEqual([9]);
    expect(priorities(firstRefused([register(0, 3), register(0, 9)], null))).toEqual([9]);
  });

  it('leaves a later increase of a range that was not there before', () => {
    expect(priorities(firstRefused([adjust(0, 3), adjust(0, 2)], null))).toEqual([2]);
  });

  it('takes off its own amount and no other', () => {
    expect(priorities(firstRefused([adjust(0, 3), adjust(0, 2)], 4))).toEqual([6]);
    expect(priorities(firstRefused([adjust(0, -3), adjust(0, 2)], 4))).toEqual([6]);
  });

  it('leaves a later release', () => {
    expect(priorities(firstRefused([adjust(0, 3), { kind: 'release', start: 0, end: 0 }], 4))).toEqual([]);
  });
});

describe('a full disk', () => {
  it('has every refused change taken back in the end, also when counters ran out meanwhile', () => {
    const lab = settled(2);
    const [a, b] = lab.seats as [Seat, Seat];
    for (let i = 0; i < 700; i++) lab.command(a, register(i, 5));
    lab.run(500);
    a.diskError = FULL;
    const tokens: number[] = [];
    for (let i = 0; i < 700; i++) tokens.push(lab.command(a, register(i, 9)));
    lab.run(2000);
    a.diskError = null;
    lab.ask(a, register(5000, 5));
    lab.run(5000);
    const refused = tokens.filter((token) => code(a.answers.get(token)) !== null).length;
    expect(refused).toBe(700);
    expect(new Set(priorities(a))).toEqual(new Set([5]));
    expect(lab.digests().size).toBe(1);
    expect(b.node.ranges().length).toBe(701);
  });
});

describe('a node under load', () => {
  it('folds its journal though changes wait for the disk all the time', () => {
    const lab = settled(1);
    const seat = lab.seats[0] as Seat;
    for (let i = 0; i < 24_000; i++) {
      lab.command(seat, register(i % 50, 1 + (i % 7)));
      if (i % 4 === 0) lab.run(1);
    }
    expect(seat.node.disk.counters.snapshots).toBeGreaterThan(0);
  });

  it('that leaves and gives up more ranges than may wait at once gives up all', () => {
    const lab = settled(2);
    const [a, b] = lab.seats as [Seat, Seat];
    const count = LIMITS.pendingCommands + 1500;
    for (let i = 0; i < count; i++) {
      lab.command(b, register(i));
      if (i % 500 === 0) lab.run(20);
    }
    lab.run(15_000);
    expect(a.node.ranges().length).toBe(count);
    expect(code(lab.ask(b, { kind: 'leave', release: true }))).toBeNull();
    lab.run(100);
    expect(b.node.ranges().length).toBe(0);
    expect(a.node.ranges().length).toBe(0);
    expect(a.node.memberCounts()).toMatchObject({ left: 1 });
  });
});

describe('a node that leaves', () => {
  it('answers what still waits for the group', () => {
    const lab = settled(2);
    const [a, b] = lab.seats as [Seat, Seat];
    b.cut = true;
    lab.command(a, register(1));
    const asked = lab.command(a, { kind: 'converged', waitMs: 60_000 });
    const joining = lab.command(a, { kind: 'join', addresses: ['10.0.0.77:1', '10.0.0.1:1'] });
    lab.command(a, { kind: 'leave', release: false });
    lab.run(2000);
    expect(a.node.left()).toBe(true);
    expect(code(a.answers.get(asked))).toBe('leaving');
    expect(a.answers.has(joining)).toBe(true);
  });
});

describe('a join', () => {
  it('of more addresses than are called at once calls them all', () => {
    const lab = settled(1);
    const others = Array.from({ length: 30 }, () => lab.add({ multicast: false }));
    const addresses = others.map((_, i) => `10.0.0.${i + 1}:1`);
    const answer = lab.ask(lab.seats[0] as Seat, { kind: 'join', addresses });
    expect(answer).toEqual({ ok: { reached: 30, failed: [] } });
    lab.run(3000);
    expect(lab.seats[0]?.node.memberCounts().alive).toBe(31);
  });
});
