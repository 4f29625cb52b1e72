import type { Server } from './socket.ts';

/** What a load is to be. */
export interface Plan {
  readonly server: Server;
  readonly clients: number;
  /** Commands that a client has under way at most. */
  readonly pipeline: number;
  readonly sizeBytes: number;
  readonly keys: number;
  /** Of so many commands, or null for no end. */
  readonly requests: number | null;
  readonly seconds: number | null;
  /** So many SETs to so many GETs. */
  readonly sets: number;
  readonly gets: number;
  /** Commands per second of all clients together, or null for as many as go. */
  readonly rate: number | null;
  readonly cluster: boolean;
  /** The machines whose acknowledgement a write waits for: in memory, on disk. */
  readonly ack: AckLevel | null;
}

export interface AckLevel {
  readonly text: string;
  readonly memory: string;
  readonly disk: string;
}

export const KEY_PREFIX = 'key:';
/** As redis-benchmark names keys: so the two can work on the same ones. */
export const KEY_DIGITS = 12;
export const KEY_BYTES = KEY_PREFIX.length + KEY_DIGITS;

export function keyOf(number: number): string {
  return KEY_PREFIX + String(number).padStart(KEY_DIGITS, '0');
}

/** `2m1d`: two machines in memory, one on disk; `q` is a majority of the owners, `all` all of them. */
export function parseAck(text: string): AckLevel | null {
  const found = /^(q|all|[1-9][0-9]{0,2})m(q|all|0|[1-9][0-9]{0,2})d$/.exec(text);
  const [memory = '', disk = ''] = found?.slice(1) ?? [];
  // What is on disk is in memory too.
  return found === null || Number(disk) > Number(memory) ? null : { text, memory, disk };
}
