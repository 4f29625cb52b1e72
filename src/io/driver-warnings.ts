import type { Address } from '../base/index.ts';
import type { StateDirectory } from './state/directory.ts';

/** An event loop this late is worth a warning: peers begin to ask again. */
const LATE_MS = 150;

/** What there is to warn of in process, disk and sockets; deploy/README.md has a row for each. */
export function driverWarnings(of: {
  /** The event loop was up to this late of late. */
  readonly lagMs: number;
  readonly state: StateDirectory;
  readonly multicastFailed: boolean;
  readonly bind: Address;
}): string[] {
  const own: string[] = [];
  if (of.lagMs >= LATE_MS) {
    own.push(
      `the event loop was up to ${Math.round(of.lagMs)} ms late within the last 20 s: this machine is overloaded or was suspended; give it less to do, or raise probe_period on every node`,
    );
  }
  const { error } = of.state.keyring;
  if (error !== null) own.push(`the keyring was not saved: ${error.message}`);
  if (of.state.journal.failing) {
    own.push(`the state directory ${of.state.path} cannot be written: changes are refused until it can`);
  }
  if (of.state.unsound) {
    own.push(
      'this node made a snapshot of its state that cannot be read back: it was not written, and the journal grows instead; report it',
    );
  }
  if (of.multicastFailed) {
    const why = of.bind.startsWith('[')
      ? 'it is IPv4 and the gossip address is IPv6, so nobody is found by it: give `join` addresses, and set `no_multicast`, or bind to an IPv4 address'
      : 'changes spread by the tree alone, and nobody is found by it; the log says why: name an `interface`, or give `join` addresses and set `no_multicast`';
    own.push(`multicast could not be opened: ${why}`);
  }
  return own;
}
