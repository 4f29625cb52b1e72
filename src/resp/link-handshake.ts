import { randomBytes } from 'node:crypto';
import type { NodeId } from '../base/index.ts';
import { type Greeting, isNonce, proofOf, secretOf } from './link-auth.ts';

/** Both ends of a link, and what they may prove to each other. */
export interface HandshakeParts {
  readonly kind: 'relay' | 'final';
  /** RESP version of the replies. */
  readonly version: 2 | 3;
  readonly self: () => NodeId;
  readonly peer: NodeId;
  readonly secrets: () => readonly Uint8Array[];
}

/** The dialer's side of link-auth.ts: LINK, then PROVE, which is answered with a proof, then the RESP version. */
export class Handshake {
  readonly #parts: HandshakeParts;
  readonly #write: (bytes: Buffer) => void;
  readonly #nonce = randomBytes(16).toString('hex');
  #greeting: Greeting | null = null;
  /** What proofs were made by. */
  #secrets: readonly Uint8Array[] = [];
  #step = 0;

  constructor(parts: HandshakeParts, write: (bytes: Buffer) => void) {
    this.#parts = parts;
    this.#write = write;
  }

  begin(): void {
    const { kind, self, peer } = this.#parts;
    this.#write(command('SHOAL', 'LINK', kind, self(), peer, this.#nonce));
  }

  /** What a reply leads to: `more`, `done`, or why it ends. */
  reply(bytes: Uint8Array): string {
    const text = Buffer.from(bytes).toString('latin1');
    if (text.startsWith('-')) return `it refuses the link: ${text.slice(1).trim()}`;
    this.#step++;
    if (this.#step === 1) return this.#prove(textOf(text));
    if (this.#step === 2 && !this.#isProven(textOf(text)))
      return 'it does not prove that it is of this group';
    if (this.#step === 2 && this.#parts.version === 3) {
      this.#write(command('HELLO', '3'));
      return 'more';
    }
    return 'done';
  }

  #prove(acceptorNonce: string): string {
    if (!isNonce(acceptorNonce)) return 'it does not speak as a node of shoal';
    const { kind, self, peer, secrets } = this.#parts;
    const greeting = { kind, dialer: self(), acceptor: peer, dialerNonce: this.#nonce, acceptorNonce };
    this.#greeting = greeting;
    this.#secrets = secrets();
    const proofs = this.#secrets.map((secret) => proofOf(secret, 'dialer', greeting));
    this.#write(command('SHOAL', 'PROVE', proofs.join() || '-'));
    return 'more';
  }

  #isProven(proof: string): boolean {
    if (this.#secrets.length === 0) return true;
    return this.#greeting !== null && secretOf(this.#secrets, 'acceptor', this.#greeting, [proof]) !== null;
  }
}

/** What a bulk string says. */
function textOf(reply: string): string {
  return reply.split('\r\n')[1] ?? '';
}

/** A command of ASCII words. */
export function command(...words: readonly string[]): Buffer {
  return Buffer.from(
    `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`,
    'latin1',
  );
}
