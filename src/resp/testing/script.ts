import { Store } from '../../store/index.ts';
import { Client } from '../client.ts';
import { COMMANDS } from '../commands/index.ts';
import { Dispatcher } from '../dispatcher.ts';
import { ServerState } from '../state.ts';

/** Commands and their answers without sockets, at a time that the test sets. */
export class Script {
  nowMs = 1_000_000;
  readonly store = new Store();
  readonly client = new Client(1, 'test', 0);
  readonly #dispatcher = new Dispatcher(this.store, new ServerState(COMMANDS, 0, 'test'));

  /** The reply as it is on the wire, a byte a character, without the last line end. */
  ask(...words: string[]): string {
    this.client.request.feed(asRequest(words));
    this.#dispatcher.run(this.client, this.nowMs);
    const { reply } = this.#dispatcher.call;
    const text = Buffer.from(reply.written).toString('latin1');
    reply.length = 0;
    return text.replace(/\r\n$/, '');
  }
}

/** A command as it is on the wire; a byte a character. */
export function asRequest(words: readonly string[]): Uint8Array {
  const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`, 'latin1');
}
