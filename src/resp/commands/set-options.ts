import type { Call } from '../call.ts';
import { SYNTAX } from './errors.ts';
import { type Unit, whenOf } from './when.ts';

/** What comes after the value of SET, or the key of GETEX. */
export class SetOptions {
  onlyNew = false;
  onlyOld = false;
  get = false;
  keepTtl = false;
  persist = false;
  /** Argument that the value must be equal to now; 0 none. */
  ifEqual = 0;
  /** Argument with the expiry; 0 none. */
  expiryAt = 0;
  unit: Unit = 'ms';
  relative = false;
  #expiryWord = '';

  /** Reads the options from argument `from` on; false after an error was given. */
  read(call: Call, from: number, isSet: boolean): boolean {
    for (let i = from; i < call.count; i++) {
      const next = i + 1 < call.count;
      if (isSet ? this.#ofSet(call, i, next) : this.#ofGetEx(call, i)) {
        if (this.ifEqual === i + 1) i++;
      } else if (next && this.#ofBoth(call, i)) i++;
      else {
        call.reply.error(SYNTAX);
        return false;
      }
    }
    return true;
  }

  /** The expiry in milliseconds since the epoch, 0 for none, null after an error was given. */
  expiryMs(call: Call, command: string): number | null {
    return this.expiryAt === 0 ? 0 : whenOf(call, this.expiryAt, this.unit, this.relative, true, command);
  }

  #ofSet(call: Call, i: number, next: boolean): boolean {
    if (call.is(i, 'NX') && !this.onlyOld && this.ifEqual === 0) this.onlyNew = true;
    else if (call.is(i, 'XX') && !this.onlyNew && this.ifEqual === 0) this.onlyOld = true;
    else if (call.is(i, 'GET')) this.get = true;
    else if (call.is(i, 'KEEPTTL') && this.expiryAt === 0) this.keepTtl = true;
    else if (call.is(i, 'IFEQ') && next && !this.onlyNew && !this.onlyOld && this.ifEqual === 0)
      this.ifEqual = i + 1;
    else return false;
    return true;
  }

  #ofGetEx(call: Call, i: number): boolean {
    if (!call.is(i, 'PERSIST') || this.expiryAt !== 0) return false;
    this.persist = true;
    return true;
  }

  #ofBoth(call: Call, i: number): boolean {
    if (this.keepTtl || this.persist) return false;
    const word = EXPIRY_WORDS.find((known) => call.is(i, known.word));
    if (word === undefined || (this.#expiryWord !== '' && this.#expiryWord !== word.word)) return false;
    this.#expiryWord = word.word;
    this.expiryAt = i + 1;
    this.unit = word.unit;
    this.relative = word.relative;
    return true;
  }
}

const EXPIRY_WORDS: readonly { word: string; unit: Unit; relative: boolean }[] = [
  { word: 'EX', unit: 'seconds', relative: true },
  { word: 'PX', unit: 'ms', relative: true },
  { word: 'EXAT', unit: 'seconds', relative: false },
  { word: 'PXAT', unit: 'ms', relative: false },
];
