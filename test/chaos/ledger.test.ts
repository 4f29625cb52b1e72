import { describe, expect, it } from 'vitest';
import { type Asked, type ChangeKind, type Entry, Ledger } from './ledger.ts';

const first = (): number => 0;

class Desk {
  readonly ledger = new Ledger(2, 1);
  readonly entry = this.ledger.entries[0] as Entry;

  ask(kind: ChangeKind, host = 0): Asked {
    const asked = this.ledger.ask(this.entry, kind, host, first);
    if (asked === null) throw new Error('no amount left');
    return asked;
  }

  /** Asked and acknowledged; gives the amount. `shows`: the priority in the answer. */
  done(kind: ChangeKind, host = 0, shows?: number): number {
    const asked = this.ask(kind, host);
    const json = kind === 'release' ? { released: true } : { priority: shows ?? asked.amount };
    this.ledger.answered(asked, { status: 200, json });
    return asked.amount;
  }

  refuse(kind: ChangeKind, code: string, host = 0): Asked {
    const asked = this.ask(kind, host);
    this.ledger.answered(asked, { status: 503, json: { error: { code } } });
    return asked;
  }

  /** The rules broken when all show this. */
  faults(priority: number): string[] {
    this.ledger.settle((entry) => (entry === this.entry ? priority : 0), 'the group');
    return this.ledger.violations.splice(0).map((text) => text.split(':')[0] as string);
  }
}

describe('the ledger of chaos', () => {
  it('misses a change that was acknowledged', () => {
    const desk = new Desk();
    const base = desk.done('register');
    const by = desk.done('increase', 0, base + base * 2);
    expect(by).toBe(base * 2);
    expect(desk.faults(base)).toEqual(['lost']);
  });

  it('notices what was released and is back', () => {
    const desk = new Desk();
    const base = desk.done('register');
    desk.done('release');
    expect(desk.faults(base)).toEqual(['revived']);
  });

  it('notices what nobody asked for, and what was refused', () => {
    const desk = new Desk();
    expect(desk.faults(1 << 20)).toEqual(['phantom']);
    const { amount } = desk.refuse('increase', 'leaving');
    expect(desk.faults(amount)).toEqual(['phantom']);
  });

  it('is content either way with an increase that a release elsewhere may have observed', () => {
    for (const there of [true, false]) {
      const desk = new Desk();
      const by = desk.done('increase', 0);
      desk.done('release', 1);
      expect(desk.faults(there ? by : 0)).toEqual([]);
    }
  });

  it('knows that a release has observed what an answer of its host had shown', () => {
    const desk = new Desk();
    const by = desk.done('increase', 0);
    desk.done('increase', 1, by + by * 2);
    desk.done('release', 1);
    expect(desk.faults(by)).toEqual(['revived']);
  });

  it('does not trust what a host had only heard of once it has restarted', () => {
    const desk = new Desk();
    const by = desk.done('increase', 0);
    const own = desk.done('increase', 1, by + by * 2);
    desk.ledger.hostEnded(1);
    desk.done('release', 1);
    expect(desk.faults(by)).toEqual([]);
    expect(own).toBe(by * 2);
  });

  it('lets an increase stand or not that was asked while a release was under way', () => {
    for (const there of [true, false]) {
      const desk = new Desk();
      desk.done('register');
      const release = desk.ask('release', 1);
      const by = desk.done('increase', 0, 12_288);
      desk.ledger.answered(release, { status: 200, json: { released: true } });
      expect(desk.faults(there ? by : 0)).toEqual([]);
    }
  });

  it('takes what all show for the new beginning: gone amounts are used again, and a revival later is a phantom', () => {
    const desk = new Desk();
    const base = desk.done('register');
    desk.done('release');
    expect(desk.faults(0)).toEqual([]);
    expect(desk.faults(base)).toEqual(['phantom']);
    expect(desk.done('register')).toBe(base);
    expect(desk.faults(0)).toEqual(['lost']);
  });

  it('does not use the amount of a decrease again that may be left alone, below zero and unseen', () => {
    const desk = new Desk();
    const base = desk.done('register');
    const decrease = desk.ask('decrease', 1);
    desk.done('release');
    desk.ledger.answered(decrease, { status: 200, json: { priority: base - 1 } });
    expect(desk.faults(0)).toEqual([]);
    desk.done('register');
    expect(desk.ask('decrease').amount).toBe(decrease.amount * 2);
  });

  it('asks the disk for what its host acknowledged, and for nothing else', () => {
    const desk = new Desk();
    const base = desk.done('register', 0);
    desk.done('increase', 1, base + base * 2);
    desk.ledger.checkDisk(0, 'a1', () => [base]);
    expect(desk.ledger.violations).toEqual([]);
    desk.ledger.checkDisk(0, 'a1', () => []);
    expect(desk.faults(base + base * 2)).toEqual(['lost']);
  });

  it('says nothing of an entry where a full disk refused a change, until it was renewed', () => {
    const desk = new Desk();
    desk.done('register');
    desk.refuse('increase', 'disk-full');
    expect(desk.faults(1 << 20)).toEqual([]);
    expect(desk.ledger.muddled).toEqual([desk.entry]);
    desk.ledger.renew(desk.entry);
    expect(desk.faults(1 << 20)).toEqual(['phantom']);
  });

  it('takes a refusal amiss that has no reason: the entry was registered there', () => {
    const desk = new Desk();
    desk.done('register');
    const base = desk.entry.tokens[0]?.amount ?? 0;
    desk.refuse('release', 'not-registered');
    expect(desk.faults(base)).toEqual(['answers']);
  });
});
