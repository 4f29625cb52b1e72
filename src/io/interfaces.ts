import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ShoalError } from '../base/index.ts';

export function isWildcard(host: string): boolean {
  return host === '' || host === '0.0.0.0' || host === '::';
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\./.test(host);
}

/** Addresses of this machine's interfaces that others can reach, of one family, in the system's order. */
export function externalAddresses(family: 4 | 6): string[] {
  const found: string[] = [];
  for (const addresses of Object.values(networkInterfaces())) {
    for (const one of addresses ?? []) {
      if (!one.internal && one.family === `IPv${family}` && !one.address.startsWith('fe80:')) {
        found.push(one.address);
      }
    }
  }
  return found;
}

/**
 * IPv4 addresses of the interfaces that multicast uses. `chosen` is an interface's name or address; without it the
 * interface of the bind address; for a wildcard every one that is not internal, or loopback when there is none.
 */
export function multicastAddresses(chosen: string | null, bindHost: string): string[] {
  if (chosen !== null && isIP(chosen) === 0) {
    const addresses = networkInterfaces()[chosen];
    const v4 = addresses?.find((one) => one.family === 'IPv4');
    return v4 === undefined ? [] : [v4.address];
  }
  if (chosen !== null) return [chosen];
  if (!isWildcard(bindHost)) return [bindHost];
  const external = externalAddresses(4);
  return external.length > 0 ? external : ['127.0.0.1'];
}

/** @throws ShoalError `bad-interface` when neither an interface nor an address of this machine is meant. */
export function checkInterface(chosen: string): void {
  const all = networkInterfaces();
  if (all[chosen] !== undefined) return;
  for (const addresses of Object.values(all)) {
    if (addresses?.some((one) => one.address === chosen)) return;
  }
  const names = Object.keys(all).join(', ');
  throw new ShoalError(
    'bad-interface',
    `interface: this machine has no interface or address '${chosen}': choose one of ${names}`,
    'interface',
  );
}
