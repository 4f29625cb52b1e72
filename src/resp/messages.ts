import type { Socket } from 'node:net';
import type { Outgoing } from './outgoing.ts';

/** Messages for one client, beside its replies, that go out together at the end of a turn. */
export class Messages {
  #all: Uint8Array[] = [];
  bytes = 0;

  /** True when it is the first. */
  add(message: Uint8Array): boolean {
    this.bytes += message.length;
    return this.#all.push(message) === 1;
  }

  sendTo(socket: Socket): void {
    const all = this.#take();
    if (all.length > 1) socket.cork();
    for (const message of all) socket.write(message);
    if (all.length > 1) socket.uncork();
  }

  /** For who does not take what he has: a socket that kept each message by itself would take many times its bytes. */
  moveTo(out: Outgoing): void {
    for (const message of this.#take()) out.keep(message);
  }

  #take(): readonly Uint8Array[] {
    const all = this.#all;
    this.#all = [];
    this.bytes = 0;
    return all;
  }
}
