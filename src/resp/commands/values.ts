import { copySpan, PIECE_BYTES, type Rope, Span } from '../../store/index.ts';
import type { Call } from '../call.ts';

const KEPT = new Span(new Uint8Array(64 * 1024));

/** Room to put a value of `length` bytes together, until the next call; what is in it is anything. */
export function room(length: number): Span {
  return length <= KEPT.bytes.length ? KEPT : new Span(new Uint8Array(length));
}

/** Longer values are outside the arena, and are not copied. */
const COPIED_BYTES = 64 * 1024;

/** Answers with the value of the key found. */
export function replyValue(call: Call): void {
  const { table } = call.store;
  const length = table.valueLength;
  if (length > COPIED_BYTES) replyRope(call, table.rope, 0, length);
  else call.reply.bulk(table.value, table.valueAt, length);
}

/** Answers with a part of a large value, without copying it; more would be too much for one turn. */
export function replyRope(call: Call, rope: Rope, from: number, to: number): void {
  call.reply.bulkRope(rope, from, to);
  call.halt = true;
}

/** Copies the value of the key found; how long it is. */
export function copyValue(call: Call, to: Span, at: number): number {
  const { table } = call.store;
  const length = table.valueLength;
  if (length > PIECE_BYTES) table.rope.copyTo(to.bytes, at);
  else copySpan(table.value, table.valueAt, to, at, length);
  return length;
}

/** Copies argument `i`. */
export function copyArgument(call: Call, i: number, to: Span, at: number): void {
  copySpan(call.span, call.startOf(i), to, at, call.lengthOf(i));
}

/** Makes Latin-1 text the value of the key looked up. */
export function putText(call: Call, text: string, expiryMs: number): void {
  const to = room(text.length);
  for (let i = 0; i < text.length; i++) to.bytes[i] = text.charCodeAt(i);
  call.store.table.put(to, 0, text.length, expiryMs);
}

/** Argument `i`, to be kept. */
export function argumentParts(call: Call, i: number): readonly Uint8Array[] {
  return call.ropeOf(i)?.pieces ?? [call.bytes(i)];
}
