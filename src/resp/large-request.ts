import {
  LARGE_KEY_BYTES,
  LargeKeyHash,
  PIECE_BYTES,
  type Rope,
  RopeBuilder,
  rememberHash,
  Span,
} from '../store/index.ts';

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const ZERO = 48;
/** `$536870912` and its line end. */
const MAX_HEAD_BYTES = 16;
/** What `assemble` copies at a time: a millisecond. */
const STEP_BYTES = 4 << 20;
/** What an argument takes besides its bytes, as if it were so many. */
const ARGUMENT_COST = 512;
const FIRST_BYTES = 4096;

/**
 * One command with an argument of more than PIECE_BYTES, or very many, which is not put together in one buffer: each such argument becomes a rope
 * while it comes, and is the value's when the command has run. Other arguments are places in `span`, as in any request.
 */
export class LargeRequest {
  readonly starts: Int32Array<ArrayBuffer>;
  readonly lengths: Int32Array<ArrayBuffer>;
  readonly #ropes = new Map<number, Rope>();
  readonly #check: (length: number) => string;
  #small = new Uint8Array(FIRST_BYTES);
  #smallBytes = 0;
  #builder: RopeBuilder | null = null;
  /** The argument that comes; how much of it, or of its line end, is still to come. */
  #place = 0;
  #left = 0;
  #line = '';
  /** In a line with a length. */
  #inHead = true;
  /** Bytes of ropes. */
  #ropeBytes = 0;
  /** Of `assemble`: the result, how much is in it, and how far it is. */
  #flat: Uint8Array<ArrayBuffer> | null = null;
  #flatAt = 0;
  #flatPlace = 0;
  #pieces: Uint8Array[] = [];
  readonly #flatStarts: number[] = [];
  #hashing: LargeKeyHash | null = null;
  readonly #hashed = new Set<number>();
  /** Why the connection must be closed. */
  error = '';
  /** Was handed out; unless it is put back, the next command follows. */
  given = false;

  /** `check` says what is wrong with an argument's length, or nothing. */
  constructor(count: number, check: (length: number) => string) {
    this.starts = new Int32Array(count);
    this.lengths = new Int32Array(count);
    this.#check = check;
  }

  get whole(): boolean {
    return this.#place === this.starts.length;
  }

  get bytes(): number {
    return this.#smallBytes + this.#ropeBytes;
  }

  get heldBytes(): number {
    return this.bytes + this.starts.byteLength * 2 + this.#flatAt;
  }

  get span(): Span {
    const flat = this.isFlat ? this.#flat : null;
    return new Span(flat ?? this.#small.subarray(0, this.#smallBytes));
  }

  /** The argument as a rope; null when it is among the others. */
  rope(place: number): Rope | null {
    return this.#ropes.get(place) ?? null;
  }

  /** Takes what belongs to it; how many bytes. */
  take(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && !this.whole && this.error === '') {
      if (this.#inHead) at = this.#takeHead(chunk, at);
      else if (this.#left > 2) at += this.#takeData(chunk.subarray(at, at + this.#left - 2));
      else {
        // The line end, which nobody looks at, as in a request that is not large.
        this.#left--;
        at++;
        if (this.#left === 0) this.#ended();
      }
    }
    return at;
  }

  /** All arguments are in `span`. */
  isFlat = false;

  get isAssembling(): boolean {
    return this.#flat !== null;
  }

  /** Does some of the work of putting it together as one that is not large, for commands that do not take ropes. */
  assemble(): void {
    const { starts, lengths } = this;
    this.#flat ??= this.#head();
    const flat = this.#flat;
    for (let budget = STEP_BYTES; budget > 0 && this.#flatPlace < starts.length; ) {
      const place = this.#flatPlace;
      const start = starts[place] as number;
      if (this.#pieces.length === 0) this.#beginFlat(place, start, start + (lengths[place] as number));
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        flat.set(piece, this.#flatAt);
        this.#flatAt += piece.length;
      }
      budget -= (piece?.length ?? 0) + ARGUMENT_COST;
      if (this.#pieces.length > 0) continue;
      this.#put('\r\n');
      this.#flatPlace++;
    }
    if (this.#flatPlace < starts.length) return;
    starts.set(this.#flatStarts);
    this.isFlat = true;
    this.#ropeBytes = 0;
    this.#smallBytes = 0;
    this.#small = new Uint8Array(0);
  }

  /** An argument's turn: pieces of a rope are let go one by one, so that memory is not taken twice. */
  #beginFlat(place: number, start: number, end: number): void {
    this.#flatStarts.push(this.#put(`$${end - start}\r\n`));
    const rope = this.#ropes.get(place);
    this.#ropes.delete(place);
    this.#pieces = rope === undefined ? [this.#small.subarray(start, end)] : [...rope.pieces];
    if (rope !== undefined) this.#ropeBytes -= rope.length;
  }

  /** Does some of the work of hashing those of these arguments that are large; true while there is more to do. */
  hashes(places: readonly number[]): boolean {
    const bytes = this.#flat;
    if (bytes === null) return false;
    for (const place of places) {
      const length = this.lengths[place] as number;
      if (length <= LARGE_KEY_BYTES || this.#hashed.has(place)) continue;
      this.#hashing ??= new LargeKeyHash(bytes, this.starts[place] as number, length);
      if (this.#hashing.step()) return true;
      rememberHash(bytes, this.#hashing);
      this.#hashing = null;
      this.#hashed.add(place);
    }
    return false;
  }

  #head(): Uint8Array<ArrayBuffer> {
    const { lengths } = this;
    const first = `*${lengths.length}\r\n`;
    let total = first.length;
    for (const length of lengths) total += `$${length}\r\n`.length + length + 2;
    this.#flat = new Uint8Array(total);
    this.#put(first);
    return this.#flat;
  }

  /** Where it ends. */
  #put(text: string): number {
    const flat = this.#flat as Uint8Array;
    for (let i = 0; i < text.length; i++) flat[this.#flatAt + i] = text.charCodeAt(i);
    this.#flatAt += text.length;
    return this.#flatAt;
  }

  #takeHead(chunk: Uint8Array, from: number): number {
    const after = this.#line === '' ? this.#quickHead(chunk, from) : 0;
    if (after > 0) return after;
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] as number;
      this.#line += String.fromCharCode(byte);
      if (this.#line.length === 1 && byte !== DOLLAR) {
        this.error = `expected '$', got '${byte >= 0x20 && byte < 0x7f ? this.#line : '?'}'`;
        return at;
      }
      if (byte !== LF && this.#line.length < MAX_HEAD_BYTES) continue;
      this.#endHead();
      return at + 1;
    }
    return chunk.length;
  }

  /** A line that is as it should be and in one chunk; where it ends, or 0. */
  #quickHead(chunk: Uint8Array, from: number): number {
    if (chunk[from] !== DOLLAR) return 0;
    let length = 0;
    let at = from + 1;
    for (; at < from + 8; at++) {
      const digit = (chunk[at] as number) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      length = length * 10 + digit;
    }
    if (at === from + 1 || chunk[at] !== CR || chunk[at + 1] !== LF) return 0;
    this.#begin(length);
    return at + 2;
  }

  /** A line with a length is whole. */
  #endHead(): void {
    const digits = /^\$(\d{1,10})\r\n$/.exec(this.#line)?.[1];
    this.#line = '';
    this.#begin(digits === undefined ? -1 : Number(digits));
  }

  #begin(length: number): void {
    this.error = length < 0 ? 'invalid bulk length' : this.#check(length);
    if (this.error !== '') return;
    this.#inHead = false;
    this.#left = length + 2;
    this.lengths[this.#place] = length;
    this.starts[this.#place] = this.#smallBytes;
    if (length > PIECE_BYTES) this.#builder = new RopeBuilder(length);
    else this.#reserve(length);
  }

  #takeData(part: Uint8Array): number {
    this.#left -= part.length;
    if (this.#builder !== null) {
      this.#ropeBytes += part.length;
      return this.#builder.add(part);
    }
    this.#small.set(part, this.#smallBytes);
    this.#smallBytes += part.length;
    return part.length;
  }

  #ended(): void {
    if (this.#builder !== null) this.#ropes.set(this.#place, this.#builder.take());
    this.#builder = null;
    this.#place++;
    this.#inHead = true;
  }

  #reserve(more: number): void {
    const need = this.#smallBytes + more;
    if (need <= this.#small.length) return;
    const wider = new Uint8Array(Math.max(need, this.#small.length * 2));
    wider.set(this.#small.subarray(0, this.#smallBytes));
    this.#small = wider;
  }
}
