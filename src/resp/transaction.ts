import type { Call } from './call.ts';
import type { Known } from './command.ts';

/** What MULTI collects until EXEC: the commands as they came, side by side in one buffer that a RequestReader reads again. */
export class Transaction {
  #bytes = new Uint8Array(512);
  #length = 0;
  count = 0;
  /** A command was refused when it was queued: EXEC will not run the others. */
  failed = false;
  /** Of its keys' slots, the most that one has. */
  owners = 1;
  /** Some command writes. */
  writes = false;
  /** A command, if any, that makes no sense at another node: the router's. */
  onlyHere = '';
  /** How many of its commands another node can run: those on keys of the one that owns them, and those that are the same anywhere. */
  elsewhere = 0;
  deniesOom = false;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  add(call: Call, known: Known): void {
    this.#text(`*${call.count}\r\n`);
    for (let i = 0; i < call.count; i++) {
      const length = call.lengthOf(i);
      const at = call.startOf(i);
      this.#text(`$${length}\r\n`);
      this.#reserve(length + 2);
      this.#bytes.set(call.span.bytes.subarray(at, at + length), this.#length);
      this.#length += length;
      this.#text('\r\n');
    }
    this.count++;
    if (known.isWrite) this.writes = true;
    if (known.deniesOom) this.deniesOom = true;
  }

  #text(text: string): void {
    this.#reserve(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length + i] = text.charCodeAt(i);
    this.#length += text.length;
  }

  #reserve(more: number): void {
    const need = this.#length + more;
    if (need <= this.#bytes.length) return;
    const wider = new Uint8Array(Math.max(need, this.#bytes.length * 2));
    wider.set(this.bytes);
    this.#bytes = wider;
  }
}
