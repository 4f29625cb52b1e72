import { describe, expect, it } from 'vitest';
import { Ledger, valueOfWrite } from '../bench/store-ledger.ts';

/** The measure of `npm run bench -- store-durable`: it must find what is lost, or its silence says nothing. */
describe('the ledger of what was written', () => {
  const write = (ledger: Ledger, removes = false) => {
    const { serial } = ledger.sent(0, removes);
    return { serial, value: removes ? null : valueOfWrite(ledger.keyOf(0), serial) };
  };

  it('takes what was acknowledged last, and anything sent after it', () => {
    const history = (ledger: Ledger) => {
      const first = write(ledger);
      const second = write(ledger);
      ledger.onDisk(0, second.serial);
      const third = write(ledger, true);
      const fourth = write(ledger);
      return [second.value, third.value, fourth.value, first.value, 'garbage'];
    };
    // Each on a ledger of its own: what is found settles it.
    const found = history(new Ledger('w', 1)).map((value) => {
      const ledger = new Ledger('w', 1);
      history(ledger);
      return ledger.found(0, value);
    });
    expect(found.map((wrong) => wrong === null)).toEqual([true, true, true, false, false]);
    expect(found[3]).toMatch(/^w:0: found 'w:0=1;.*on disk was write 2, 2 writes were sent after it$/);
  });

  it('finds a loss of what was acknowledged, and a removal that was undone', () => {
    const ledger = new Ledger('w', 1);
    const { serial, value } = write(ledger);
    ledger.onDisk(0, serial);
    expect(ledger.found(0, null)).toMatch(/found nothing; on disk was write 1/);
    const removal = write(ledger, true);
    ledger.onDisk(0, removal.serial);
    expect(ledger.found(0, value)).toMatch(/on disk was no value/);
  });

  it('goes on from what was found', () => {
    const ledger = new Ledger('w', 1);
    const lost = write(ledger);
    expect(ledger.found(0, null)).toBeNull();
    expect(ledger.found(0, lost.value)).toMatch(/found/);
  });

  it('knows a value that was changed on the way', () => {
    const ledger = new Ledger('w', 1);
    const { serial, value } = write(ledger);
    ledger.onDisk(0, serial);
    expect(ledger.found(0, `${value}!`)).not.toBeNull();
  });
});
