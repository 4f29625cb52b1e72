import { LIMITS, ShoalError, splitAddress } from '../base/index.ts';
import type { KeyOperation, RangeInput } from '../node/contract.ts';

/** Checks of request bodies: a value of the right type and size, or a ShoalError that names the field. */

export const LAST_POSITION = 0xffffffff;

export type Fields = Readonly<Record<string, unknown>>;

/** An object with no field but those named. Which of them must be there, their own checks say. */
export function parseFields(text: string, known: readonly string[]): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ShoalError('bad-json', `the body is not JSON: send an object with ${list(known)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ShoalError('bad-json', `the body is not a JSON object: send one with ${list(known)}`);
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    const message = `unknown field '${name.slice(0, 64)}': there are ${list(known)}`;
    throw new ShoalError('unknown-field', message, name.slice(0, 64));
  }
  return value as Fields;
}

export function rangeInput(fields: Fields): RangeInput {
  const start = whole(fields, 'start', 'bad-range', 0, LAST_POSITION);
  const end = whole(fields, 'end', 'bad-range', 0, LAST_POSITION);
  if (start > end)
    throw new ShoalError('bad-range', `start ${start} is above end ${end}: swap them`, 'start');
  if (fields.node === undefined) return { start, end };
  return { start, end, node: nodeRef(fields.node) };
}

export function priority(fields: Fields): number {
  return whole(fields, 'priority', 'bad-priority', 1, LIMITS.priority);
}

export function amount(fields: Fields): number {
  const by = whole(fields, 'by', 'bad-amount', -LIMITS.priority, LIMITS.priority);
  if (by === 0) throw new ShoalError('bad-amount', 'by: 0 changes nothing: send another number', 'by');
  return by;
}

/** A node's name or id. Whether there is one, the node knows. */
export function nodeRef(value: unknown): string {
  const ok = typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= LIMITS.nameBytes;
  if (!ok)
    throw new ShoalError(
      'bad-node',
      `node: ${show(value)} is not a node's name or id: send a string of 1 to ${LIMITS.nameBytes} bytes`,
      'node',
    );
  return value;
}

export function addresses(fields: Fields): string[] {
  const value = fields.addresses;
  if (!Array.isArray(value) || value.length === 0 || value.length > LIMITS.joinAddresses)
    throw new ShoalError(
      'bad-address',
      `addresses: ${show(value)} is not a list of 1 to ${LIMITS.joinAddresses} HOST:PORT strings`,
      'addresses',
    );
  return value.map((entry: unknown) => {
    const parts = typeof entry === 'string' ? splitAddress(entry) : null;
    if (parts === null || parts.host === '' || parts.port === 0)
      throw new ShoalError('bad-address', `addresses: ${show(entry)} is not HOST:PORT`, 'addresses');
    return entry as string;
  });
}

const KEY_OPERATIONS: readonly KeyOperation[] = ['install', 'use', 'remove'];

export function keyOperation(fields: Fields): KeyOperation {
  const op = KEY_OPERATIONS.find((one) => one === fields.op);
  if (op === undefined)
    throw new ShoalError('bad-op', `op: ${show(fields.op)} will not do: ${KEY_OPERATIONS.join(', ')}`, 'op');
  return op;
}

/** A key or a key's id. What was sent is in no message: it may be a secret with a slip in it. */
export function keyText(fields: Fields): string {
  if (typeof fields.key !== 'string' || fields.key === '' || fields.key.length > 100)
    throw new ShoalError(
      'bad-key',
      'key: send a key (44 characters of base64) or its id (8 hex digits)',
      'key',
    );
  return fields.key;
}

export function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (value === undefined) return false;
  if (typeof value !== 'boolean')
    throw new ShoalError('bad-flag', `${name}: ${show(value)} is neither true nor false`, name);
  return value;
}

function whole(fields: Fields, name: string, code: string, min: number, max: number): number {
  const value = fields[name];
  if (value === undefined)
    throw new ShoalError(code, `${name} is missing: send a whole number from ${min} to ${max}`, name);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw new ShoalError(code, `${name}: ${show(value)} is not a whole number from ${min} to ${max}`, name);
  return value + 0; // -0 becomes 0
}

/** What was sent, short enough for a message of one line. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 64 ? text : `${text.slice(0, 60)}...`;
}

export function list(names: readonly string[]): string {
  return names.map((name) => name.replace('*', '')).join(', ');
}
