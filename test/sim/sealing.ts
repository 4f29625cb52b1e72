import { type Address, type Rng, SeededRng, ShoalError } from '../../src/base/index.ts';
import type { Machine } from '../../src/node/machine.ts';
import { type Drop, GroupSeal, parseKey, type Transport } from '../../src/seal/index.ts';
import type { SimHost } from './host.ts';
import type { World } from './world.ts';

const CLUSTER = 'sim';
/** Until a changed keyring is on the disk. */
const SAVE_MS = 2;
/** Between install and use, and between two tries to use or remove. */
const STEP_MS = 1500;
/** Of a rotation's keys as many are kept in the key files: boards that were off find one of them. */
const FILED_KEYS = 6;
/** What honest members never make each other count. */
const NEVER: readonly Drop[] = ['bad-tag', 'malformed', 'unsealed', 'other-version', 'too-short'];

/** Base64 of 32 random bytes, as `shoal keygen` would print it. */
function keyText(rng: Rng): string {
  return Buffer.from(Uint8Array.from({ length: 32 }, () => rng.below(256))).toString('base64');
}

/**
 * Seals a world: what io's driver and the operators do in real life. Has its own luck, so that the rest of a run draws as
 * it would unsealed. The operators copy each new key to the key file of all boards; they remove old keys only when all run.
 */
export class Sealing {
  readonly #world: World;
  readonly #rng: SeededRng;
  /** Newest first. */
  #keyFile: string[];
  readonly #random: Rng;
  rotations = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#rng = new SeededRng(seed ^ 0x5ea1);
    this.#random = this.#rng.fork();
    this.#keyFile = [keyText(this.#rng)];
  }

  /** The seal of a process that starts; `machine` gives the one it stands in front of. */
  start(host: SimHost, below: Transport, machine: () => Machine | null): GroupSeal {
    const { epoch } = host;
    const world = this.#world;
    const input = (act: (machine: Machine, nowMs: number) => void): void => {
      const one = machine();
      if (one !== null) act(one, host.localMs());
    };
    return new GroupSeal({
      cluster: CLUSTER,
      node: host.id ?? '',
      keys: this.#keyFile.map((text) => parseKey(text)),
      saved: host.keyring,
      below,
      above: {
        datagram: (bytes, from, via) => {
          const sender = world.byAddress(from);
          if (sender === undefined) {
            world.violate('forged', `${host.address}: took a datagram of ${from}, where no host is`);
            return;
          }
          world.arrived(host, sender, bytes, via);
          input((m, now) => m.datagram(bytes, from, via, now));
        },
        accepted: (stream, from) => input((m, now) => m.accepted(stream, from, now)),
        opened: (stream) => input((m, now) => m.opened(stream, now)),
        frame: (stream, bytes) => {
          const far = host.farEnd(stream);
          if (far !== null) world.heard(far, host, bytes);
          input((m, now) => m.frame(stream, bytes, now));
        },
        closed: (stream, reason) => input((m, now) => m.closed(stream, reason, now)),
      },
      nowMs: () => host.localMs(),
      save: (ring) => {
        world.events.after(SAVE_MS, () => {
          if (host.epoch === epoch && !host.disk.full) host.keyring = ring;
        });
      },
      peers: () => peersOf(host),
      log: (level, message) => world.logged(host, level, message),
      random: (bytes) => Uint8Array.from({ length: bytes }, () => this.#random.below(256)),
    });
  }

  /** Some rotations, spread over [fromMs, toMs): fewer than a ring has places. */
  schedule(count: number, fromMs: number, toMs: number): void {
    for (let i = 0; i < count; i++) {
      this.#world.events.at(fromMs + this.#rng.unit() * (toMs - fromMs), () => this.#rotate());
    }
  }

  #rotate(): void {
    const host = this.#anyone();
    if (host === null || this.#keyFile.length >= FILED_KEYS) return;
    const text = keyText(this.#rng);
    this.#keyFile = [text, ...this.#keyFile];
    this.rotations++;
    this.#world.say(`rotation ${this.rotations}: a key is installed on ${host.name}`);
    this.#change(host, 'install', text);
    this.#world.events.after(STEP_MS, () => this.#use(text));
  }

  #use(text: string): void {
    if (this.#keyFile[0] !== text) return;
    const host = this.#anyone();
    if (host !== null && this.#change(host, 'use', text)) {
      const id = host.seal?.ring.primary ?? '';
      this.#world.events.after(STEP_MS, () => this.#tidy(text, id));
    }
    // That host has not heard of it yet, or is gone.
    else this.#world.events.after(STEP_MS, () => this.#use(text));
  }

  /** Removes all keys but this one, the newest, when it is the primary of every host. */
  #tidy(text: string, primary: string): void {
    const { hosts } = this.#world;
    const host = this.#anyone();
    const everywhere = hosts.every((one) => one.seal?.ring.primary === primary);
    if (host === null || this.#keyFile[0] !== text || !everywhere) return;
    for (const id of host.seal?.ring.ids().slice(1) ?? []) this.#change(host, 'remove', id);
    this.#world.say(`old keys are removed on ${host.name}`);
    this.#keyFile = this.#keyFile.slice(0, 1);
  }

  #anyone(): SimHost | null {
    const up = this.#world.running().filter((host) => !host.stalled);
    return up[this.#rng.below(Math.max(1, up.length))] ?? null;
  }

  #change(host: SimHost, operation: 'install' | 'use' | 'remove', text: string): boolean {
    try {
      host.seal?.change(operation, text);
      return true;
    } catch (error) {
      if (error instanceof ShoalError) return false;
      throw error;
    }
  }

  /** In the end all rings are one, and nobody counted what only an attacker sends. */
  checkEnd(withinMs: number): void {
    const world = this.#world;
    const rings = (): number => new Set(world.running().map((host) => host.seal?.ring.digest)).size;
    if (!world.runUntilTrue(() => rings() <= 1, world.nowMs + withinMs)) {
      world.violate('keyring', `${rings()} different keyrings after all was healed`);
    }
    for (const host of world.running()) this.checkDrops(host);
  }

  /** Of a process, before it ends. */
  checkDrops(host: SimHost): void {
    for (const reason of NEVER) {
      const count = host.seal?.drops[reason] ?? 0;
      if (count > 0) this.#world.violate('sealed', `${host.address} dropped ${count} as ${reason}`);
    }
  }
}

function peersOf(host: SimHost): Address[] {
  const all = host.machine?.members(host.localMs()) ?? [];
  return all.filter((member) => !member.self && member.status !== 'left').map((member) => member.address);
}
