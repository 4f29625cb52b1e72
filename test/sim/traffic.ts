import type { Address } from '../../src/base/index.ts';
import { ENVELOPE_BYTES, KIND } from '../../src/wire/index.ts';
import type { SimHost } from './host.ts';
import type { Watcher } from './world.ts';

const NAMES: string[] = [];
for (const [name, kind] of Object.entries(KIND)) NAMES[kind] = name;

/** The kind of a message, read from where it always stands: after the envelope and the array's header. */
export function kindOf(bytes: Uint8Array): number {
  return bytes[ENVELOPE_BYTES + 1] ?? 0;
}

export function kindName(kind: number): string {
  return NAMES[kind] ?? 'other';
}

interface Count {
  messages: number;
  bytes: number;
}

/** Counts what is sent, by kind and by how. */
export class Traffic implements Watcher {
  readonly #counts = new Map<string, Count>();

  sent(_host: SimHost, to: Address | null, bytes: Uint8Array): void {
    this.#count(`${kindName(kindOf(bytes))}${to === null ? ' (multicast)' : ''}`, bytes.length);
  }

  carried(_from: SimHost, _to: SimHost, frame: Uint8Array): void {
    this.#count(`${kindName(kindOf(frame))} (stream)`, frame.length);
  }

  clear(): void {
    this.#counts.clear();
  }

  messages(name: string): number {
    return this.#counts.get(name)?.messages ?? 0;
  }

  /** Largest first. */
  table(): { kind: string; messages: number; bytes: number }[] {
    return [...this.#counts]
      .map(([kind, count]) => ({ kind, ...count }))
      .sort((a, b) => b.bytes - a.bytes || (a.kind < b.kind ? -1 : 1));
  }

  #count(name: string, bytes: number): void {
    let count = this.#counts.get(name);
    if (count === undefined) {
      count = { messages: 0, bytes: 0 };
      this.#counts.set(name, count);
    }
    count.messages++;
    count.bytes += bytes;
  }
}
