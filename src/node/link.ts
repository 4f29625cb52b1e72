import { type Address, BoundedMap, LIMITS, type NodeId } from '../base/index.ts';
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
  /** Which of its addresses a member with several is reached at: where it was last heard from. */
  readonly #heardAt = new BoundedMap<NodeId, Address>(LIMITS.members);
  /** Probes sent to a member with several addresses since it was last heard. */
  readonly #silent = new BoundedMap<NodeId, number>(LIMITS.members);
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
    const addresses = this.#members.get(id)?.record.addresses;
    if (addresses === undefined || addresses.length < 2) return;
    this.#silent.delete(id);
    if (addresses.includes(address)) this.#heardAt.set(id, address);
  }

  hangUp(): void {
    this.#caller = null;
  }

  /** The address it was heard from, if it is one of its own; else the one it prefers. */
  addressOf(id: NodeId): Address | null {
    const addresses = this.#members.get(id)?.record.addresses ?? [];
    const heardAt = addresses.length < 2 ? undefined : this.#heardAt.get(id);
    return heardAt !== undefined && addresses.includes(heardAt) ? heardAt : (addresses[0] ?? null);
  }

  /**
   * Of a member with several addresses that stays silent, probes go round them all, and everything else to the one that
   * was tried last: whichever answers is kept.
   */
  #probed(id: NodeId): void {
    const addresses = this.#members.get(id)?.record.addresses;
    if (addresses === undefined || addresses.length < 2) return;
    const tries = (this.#silent.get(id) ?? 0) + 1;
    this.#silent.set(id, tries);
    // The first may only be lost.
    if (tries < 2) return;
    const at = addresses.indexOf(this.addressOf(id) as Address);
    this.#heardAt.set(id, addresses[(at + 1) % addresses.length] as Address);
  }

  send(to: NodeId, message: Message): void {
    if (message.kind === KIND.probe) this.#probed(to);
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
