import { type Address, LIMITS, type NodeId } from '../base/index.ts';
import type { MemberList } from '../members/index.ts';
import { type Codec, KIND, type Message } from '../wire/index.ts';
import type { Outputs } from './machine.ts';

/** Sends messages to members: looks up the address, encodes, and takes a stream for what does not fit a datagram. */
export class Link {
  /** Sent messages and bytes by kind number, datagrams and frames alike. */
  readonly sentMessages: number[] = [];
  readonly sentBytes: number[] = [];
  readonly counters = { oversized: 0, noAddress: 0 };
  readonly codec: Codec;
  readonly #outputs: Outputs;
  readonly #members: MemberList;
  #streams = 0;
  /** Where the datagram under way came from: answers go there, whatever the record says. */
  #caller: { id: NodeId; address: Address } | null = null;

  constructor(codec: Codec, members: MemberList, outputs: Outputs) {
    this.codec = codec;
    this.#members = members;
    this.#outputs = outputs;
    for (const kind of Object.values(KIND)) {
      this.sentMessages[kind] = 0;
      this.sentBytes[kind] = 0;
    }
  }

  /** Answers go to this address until `hangUp`. */
  answering(id: NodeId, address: Address): void {
    this.#caller = { id, address };
  }

  hangUp(): void {
    this.#caller = null;
  }

  addressOf(id: NodeId): Address | null {
    return this.#members.get(id)?.record.addresses[0] ?? null;
  }

  send(to: NodeId, message: Message): void {
    const address = this.#caller?.id === to ? this.#caller.address : this.addressOf(to);
    if (address === null) {
      this.counters.noAddress++;
      return;
    }
    const bytes = this.#encode(message);
    if (bytes.length <= LIMITS.messageBytes) {
      this.#outputs.send(address, bytes);
      return;
    }
    this.counters.oversized++;
    const stream = this.openStream(this.addressOf(to) ?? address);
    this.#outputs.write(stream, bytes);
    this.#outputs.close(stream);
  }

  /** Multicasts, or returns false when the message does not fit a datagram. */
  multicast(message: Message): boolean {
    const bytes = this.codec.encode(message);
    if (bytes.length > LIMITS.messageBytes) return false;
    this.#count(message, bytes);
    this.#outputs.multicast(bytes);
    return true;
  }

  openStream(address: Address): number {
    const stream = ++this.#streams;
    this.#outputs.connect(stream, address);
    return stream;
  }

  write(stream: number, message: Message): void {
    this.#outputs.write(stream, this.#encode(message));
  }

  close(stream: number): void {
    this.#outputs.close(stream);
  }

  #encode(message: Message): Uint8Array {
    const bytes = this.codec.encode(message);
    this.#count(message, bytes);
    return bytes;
  }

  #count({ kind }: Message, bytes: Uint8Array): void {
    this.sentMessages[kind] = (this.sentMessages[kind] as number) + 1;
    this.sentBytes[kind] = (this.sentBytes[kind] as number) + bytes.length;
  }
}
