import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { onEnd } from './cleanup.ts';

let made = 0;

/**
 * A network namespace with nothing in it but a loopback interface, whose counters are then the group's traffic and
 * nobody else's; and, for programs that can only be asked over TCP, a second interface to ask them on, not counted.
 */
export class Namespace {
  readonly name: string;
  /** This namespace's address on the interface to the outside, once `link` made it. */
  address = '';
  readonly remove: () => void;

  private constructor(name: string) {
    this.name = name;
    this.remove = onEnd(() => void spawnSync('ip', ['netns', 'del', name]));
  }

  /** Null where this needs rights that we do not have. */
  static make(): Namespace | null {
    if (process.getuid?.() !== 0) return null;
    const name = `shb-${process.pid}-${made++}`;
    if (spawnSync('ip', ['netns', 'add', name]).status !== 0) return null;
    const namespace = new Namespace(name);
    if (!namespace.#ip('link', 'set', 'lo', 'up')) {
      namespace.remove();
      return null;
    }
    return namespace;
  }

  /** Makes the interface to ask on. */
  link(): boolean {
    const net = `10.${200 + (made % 50)}.${process.pid & 255}`;
    const [outer, inner] = [`shb${process.pid % 100_000}o${made}`, `shb${process.pid % 100_000}i${made}`];
    made++;
    const steps = [
      ['link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', this.name],
      ['addr', 'add', `${net}.1/30`, 'dev', outer],
      ['link', 'set', outer, 'up'],
    ];
    this.address = `${net}.2`;
    return (
      steps.every((step) => spawnSync('ip', step).status === 0) &&
      this.#ip('addr', 'add', `${net}.2/30`, 'dev', inner) &&
      this.#ip('link', 'set', inner, 'up')
    );
  }

  /** The command that runs another in here; it becomes that other, so its process id stays. */
  get prefix(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  #ip(...args: string[]): boolean {
    return spawnSync('ip', ['-n', this.name, ...args]).status === 0;
  }
}

export interface Traffic {
  readonly bytes: number;
  readonly packets: number;
}

/** Everything that went over the loopback interface in that process's namespace, with all headers. */
export function loopbackOf(pid: number): Traffic {
  const line = /^\s*lo:(.*)$/m.exec(readFileSync(`/proc/${pid}/net/dev`, 'utf8'))?.[1] ?? '';
  const fields = line.trim().split(/\s+/).map(Number);
  return { bytes: fields[8] ?? 0, packets: fields[9] ?? 0 };
}
