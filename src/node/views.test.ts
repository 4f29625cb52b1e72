import { describe, expect, it } from 'vitest';
import type { Address } from '../base/index.ts';
import { STATE } from '../members/index.ts';
import { Lab, type Seat } from './testing/lab.ts';

const register = (start: number, end: number, priority = 1) =>
  ({ kind: 'register', start, end, priority }) as const;

function pair(): { lab: Lab; a: Seat; b: Seat } {
  const lab = new Lab();
  const a = lab.add();
  const b = lab.add({ join: ['10.0.0.0:1' as Address] });
  lab.run(10_000);
  return { lab, a, b };
}

describe('the table of ranges', () => {
  it('is made once for all who ask, and anew after each kind of change', () => {
    const { lab, a, b } = pair();
    lab.ask(a, register(5, 9));
    lab.ask(b, register(1, 3));
    lab.run(1000);
    const row = (start: number, end: number, seat: Seat, priority = 1) => {
      const { id } = seat.node;
      return { node: id, name: `n${lab.seats.indexOf(seat)}`, start, end, priority };
    };
    let before = a.node.ranges();
    expect(before).toEqual([row(1, 3, b), row(5, 9, a)]);
    const steps: [Parameters<Lab['ask']>[1], Seat, ReturnType<typeof row>[]][] = [
      [register(2, 2), a, [row(1, 3, b), row(2, 2, a), row(5, 9, a)]],
      [register(2, 2, 7), a, [row(1, 3, b), row(2, 2, a, 7), row(5, 9, a)]],
      [{ kind: 'adjust', start: 1, end: 3, by: 4 }, b, [row(1, 3, b, 5), row(2, 2, a, 7), row(5, 9, a)]],
      [{ kind: 'release', start: 5, end: 9 }, a, [row(1, 3, b, 5), row(2, 2, a, 7)]],
    ];
    for (const [command, by, after] of steps) {
      expect(a.node.ranges()).toBe(before);
      lab.ask(by, command);
      lab.run(1000);
      expect(a.node.ranges()).not.toBe(before);
      expect(a.node.ranges()).toEqual(after);
      expect(b.node.ranges()).toEqual(after);
      before = a.node.ranges();
    }
    // Registrations of a member that is down are in the table, too, and change in it.
    b.cut = true;
    lab.run(60_000);
    expect(a.node.memberCounts().down).toBe(1);
    expect(a.node.ranges()).toEqual(before);
    lab.ask(a, { kind: 'adjust', start: 1, end: 3, by: 1, node: 'n1' });
    lab.run(1000);
    expect(a.node.ranges()[0]).toEqual(row(1, 3, b, 6));
  });

  it('has the names that are known now', () => {
    const { lab, a } = pair();
    const [author, key] = ['00000000000000aa', { start: 5, end: 9 }] as const;
    lab.ask(a, { kind: 'register', ...key, priority: 1 });
    const { members, map } = a.node.state;
    const id = author as typeof a.node.id;
    map.register(id, 1, { node: id, ...key }, 1);
    expect(a.node.ranges().map(({ name }) => name)).toEqual(['n0', author]);
    // One that left changes no digest that people see.
    const record = { ...members.me().record, id, name: 'late', reach: id };
    members.merge({ ...record, state: STATE.left });
    expect(a.node.ranges().map(({ name }) => name)).toEqual(['n0', 'late']);
    members.merge({ ...record, incarnation: 9, name: 'other' });
    expect(a.node.ranges().map(({ name }) => name)).toEqual(['n0', 'other']);
  });

  it('gives one node its own, few or many, in the same order', () => {
    const { lab, a, b } = pair();
    for (let i = 0; i < 1200; i++)
      lab.ask(a, register(((i * 7919) % 1200) * 10, ((i * 7919) % 1200) * 10 + 5));
    lab.ask(b, register(3, 4));
    lab.run(3000);
    expect(a.node.ranges('n1').map(({ start }) => start)).toEqual([3]);
    const many = a.node.ranges('n0');
    expect(many).toEqual(a.node.ranges().filter(({ name }) => name === 'n0'));
    expect(many.map(({ start }) => start)).toEqual(Array.from({ length: 1200 }, (_, i) => i * 10));
  });

  it('is dropped, like that of owners, when nobody has asked for a while', () => {
    const { lab, a } = pair();
    lab.ask(a, register(5, 9));
    lab.run(1000);
    const kept = [a.node.ranges(), a.node.segments()];
    for (let i = 0; i < 6; i++) {
      lab.run(5000);
      expect([a.node.ranges(), a.node.segments()].map((table, k) => table === kept[k])).toEqual([true, true]);
    }
    lab.run(30_000);
    expect([a.node.ranges(), a.node.segments()].map((table, k) => table === kept[k])).toEqual([false, false]);
    expect([a.node.ranges(), a.node.segments()]).toEqual(kept);
  });
});
