import { readFileSync } from 'node:fs';
import { isIP, isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Address, joinAddress, splitAddress } from '../base/index.ts';
import { isWildcard } from './interfaces.ts';

/** Addresses a record carries at most: each costs bytes in every copy of it. */
const MOST = 4;
/** How often the interfaces are looked at: a board with a new lease is found again within it. */
const WATCH_MS = 5_000;
/** Interfaces of containers and virtual machines on this host: not how other boards reach it. */
const VIRTUAL = /^(docker|br-|veth|virbr|vnet|cni|flannel|cali|lxc|lxd|podman|vmnet|vboxnet)/;

interface Candidate {
  readonly name: string;
  readonly ip: string;
}

/** What was found, and whether it is only what there was for want of better: loopback, or interfaces of containers. */
export interface Found {
  readonly addresses: readonly Address[];
  readonly makeshift: boolean;
}

/**
 * Where others reach what was bound, the best first; at most four. An address that was bound is itself. For a wildcard:
 * the chosen interface, then the one with the default route, then the others; link-local ones last, and those of
 * containers only when there is nothing else. Loopback when this machine has nothing but that.
 */
export function advertised(bound: Address, chosen: string | null, interfaces = networkInterfaces()): Found {
  const { host, port } = splitAddress(bound) as { host: string; port: number };
  if (!isWildcard(host)) return { addresses: [bound], makeshift: false };
  const all = candidates(interfaces, host === '::');
  const real = all.filter(({ name }) => !VIRTUAL.test(name) || name === chosen);
  const route = defaultRoute();
  const rank = ({ name, ip }: Candidate): number => {
    if (chosen !== null && (name === chosen || ip === chosen)) return 0;
    if (ip.startsWith('169.254.')) return 3;
    return name === route ? 1 : 2;
  };
  const found = (real.length > 0 ? real : all).sort((a, b) => rank(a) - rank(b)).slice(0, MOST);
  const ips = found.length > 0 ? found.map(({ ip }) => ip) : ['127.0.0.1'];
  return { addresses: ips.map((ip) => joinAddress(ip, port)), makeshift: real.length === 0 };
}

/** IPv4 addresses first, for peers without IPv6; those with `v6` too for a socket that takes both. */
function candidates(interfaces: ReturnType<typeof networkInterfaces>, v6: boolean): Candidate[] {
  const found: Candidate[] = [];
  for (const [name, addresses] of Object.entries(interfaces)) {
    for (const one of addresses ?? []) {
      // A link-local IPv6 address means nothing without an interface of the reader's.
      if (one.internal || one.address.startsWith('fe80:')) continue;
      if (isIPv4(one.address) || v6) found.push({ name, ip: one.address });
    }
  }
  return found.sort((a, b) => isIP(a.ip) - isIP(b.ip));
}

/** The interface of the default route with the lowest metric, or null. */
function defaultRoute(): string | null {
  let text: string;
  try {
    text = readFileSync('/proc/net/route', 'utf8');
  } catch {
    return null;
  }
  let best: { name: string; metric: number } | null = null;
  for (const line of text.split('\n').slice(1)) {
    const [name, destination, , , , , metric] = line.split('\t');
    if (name === undefined || destination !== '00000000') continue;
    if (best === null || Number(metric) < best.metric) best = { name, metric: Number(metric) };
  }
  return best?.name ?? null;
}

/** Looks now and then whether this machine's addresses are still those that were told to the others. */
export class AddressWatch {
  readonly #look: () => Found;
  readonly #changed: (addresses: readonly Address[]) => void;
  readonly #timer: NodeJS.Timeout;
  #told: Found;
  /** A change counts when two looks one after the other see it: between an old lease and a new one there may be none. */
  #seen = '';

  constructor(look: () => Found, told: Found, changed: (to: readonly Address[]) => void) {
    this.#look = look;
    this.#told = told;
    this.#changed = changed;
    this.#timer = setInterval(() => this.check(), WATCH_MS);
    this.#timer.unref();
  }

  check(): void {
    const found = this.#look();
    const text = this.#news(found);
    const again = text !== '' && text === this.#seen;
    this.#seen = text;
    if (!again) return;
    this.#told = { ...found, addresses: text.split(',') as Address[] };
    this.#changed(this.#told.addresses);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** What there would be to tell; nothing when it was told, or while there is nothing better than what was. */
  #news({ addresses, makeshift }: Found): string {
    if (makeshift && (!this.#told.makeshift || addresses.every((address) => address.startsWith('127.'))))
      return '';
    const [first] = this.#told.addresses;
    // The one that peers use stays the first as long as it is there.
    const now = [...addresses].sort((a, b) => Number(b === first) - Number(a === first));
    const text = now.join();
    return text === this.#told.addresses.join() ? '' : text;
  }
}
