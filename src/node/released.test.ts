import { expect, it } from 'vitest';
import type { Command } from './machine.ts';
import { Lab, type Seat } from './testing/lab.ts';

const register = (start: number, end: number): Command => ({ kind: 'register', start, end, priority: 4 });

it('a node has a release on its disk that it learnt by comparing, though the one that released never comes back', () => {
  // Who starts the comparison decides who is told by a list of what is live, and who by name of what is gone: both ways.
  for (const late of [0, 1]) {
    const lab = new Lab();
    const pair = [lab.add(), lab.add()] as [Seat, Seat];
    const author = pair[1 - late] as Seat;
    lab.run(10_000);
    lab.ask(author, register(0, 9));
    lab.ask(author, register(20, 29));
    lab.run(100);
    const before = [...(pair[late] as Seat).journal];
    lab.ask(author, { kind: 'release', start: 0, end: 9 });
    const journals = [before, [...author.journal]];
    // Both restarted: nobody has the release to broadcast or to push any more.
    const again = new Lab();
    const journal = (i: number) => journals[i === late ? 0 : 1] as Uint8Array[];
    for (const i of [0, 1]) again.add({}, { leaseFrom: 1025, journal: journal(i), incarnation: 2 });
    again.run(20_000);
    const learnt = again.seats[late] as Seat;
    expect(learnt.node.ranges().map(({ start }) => start)).toEqual([20]);
    const alone = new Lab().add({}, { journal: [...before, ...learnt.journal] });
    expect(alone.node.ranges().map(({ start }) => start)).toEqual([20]);
  }
});
