import type { Machine, Outputs } from '../node/index.ts';
import type { Commands } from './commands.ts';
import type { EventLog } from './events.ts';
import type { Log } from './log.ts';
import { logMember } from './member-log.ts';
import type { Published } from './published.ts';
import type { Transport } from './sealing.ts';
import type { StateDirectory } from './state/directory.ts';

/** What one life of the machine acts upon. */
export interface Surroundings {
  /** The network, or the seal in front of it. */
  readonly transport: Transport;
  readonly state: StateDirectory;
  readonly commands: Commands;
  readonly events: EventLog;
  readonly published: Published;
  readonly log: Log;
  readonly machine: () => Machine | null;
  /** An answer of the disk; what an earlier life asked for is dropped. */
  readonly answer: (act: (node: Machine, nowMs: number) => void) => void;
}

/** Does what the machine puts out. */
export function outputsTo({
  transport,
  state,
  commands,
  events,
  published,
  log,
  machine,
  answer,
}: Surroundings): Outputs {
  const { send, multicast, connect, write, close } = transport;
  return {
    send,
    multicast,
    connect,
    write,
    close,
    persist: (record, token) =>
      state.persist(record, (error) => answer((node, now) => node.persisted(token, error, now))),
    note: (record) => state.note(record),
    lease: (upTo) => state.lease(upTo, (to, error) => answer((node, now) => node.leased(to, error, now))),
    snapshot: (bytes) => state.snapshot(bytes),
    answer: (token, result) => commands.settle(token, result),
    published: (channel, message) => published.add(channel, message),
    event: (event) => events.add(logMember(log, event, machine()?.id)),
    log: (level, message, fields) => log[level](fields ?? {}, message),
  };
}
