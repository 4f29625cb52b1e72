import { LIMITS } from '../base/index.ts';
import type { Client } from './client.ts';
import type { Connection } from './connection.ts';
import { ROLE } from './role.ts';
import type { ServerState } from './state.ts';

/** Of what all clients may hold, so much comes in between two looks at what they do hold. */
const LOOK_SHARE = 16;

/**
 * Cuts off who idles, dawdles, or holds too much. Looks once a second, and at memory whenever much has come in since: the greediest
 * go, until what all clients hold is within `maxmemory-clients`.
 */
export class Sweep {
  readonly #state: ServerState;
  readonly #connections: ReadonlySet<Connection>;
  #bytes = 0;
  /** What all clients held when last looked at. */
  heldBytes = 0;

  constructor(state: ServerState, connections: ReadonlySet<Connection>) {
    this.#state = state;
    this.#connections = connections;
  }

  /** So many bytes came in, or went to a client that does not take them. */
  noted(bytes: number): void {
    this.#bytes += bytes;
    const most = this.#state.settings.clientsBytes;
    if (most > 0 && this.#bytes * LOOK_SHARE > most) this.#weigh(most);
  }

  /** The look of every second. */
  look(nowMs: number): void {
    for (const connection of this.#present()) {
      connection.checkOutput(nowMs);
      const counter = this.#overdue(connection, nowMs);
      if (counter === null) continue;
      this.#state.counters[counter]++;
      connection.cut();
    }
    this.#weigh(this.#state.settings.clientsBytes);
  }

  #overdue(
    connection: Connection,
    nowMs: number,
  ): 'cutForIdling' | 'cutBeforeLogin' | 'cutForDawdling' | null {
    const { client } = connection;
    if (!client.authenticated && nowMs - client.connectedMs > LIMITS.respLoginMs) return 'cutBeforeLogin';
    if (connection.dawdles(nowMs)) return 'cutForDawdling';
    const { timeoutMs } = this.#state.settings;
    const waits = client.blocked !== null || this.#state.paused.has(client);
    const exempt = waits || client.subscriptions > 0 || client.isMonitor;
    return timeoutMs > 0 && !exempt && nowMs - client.lastMs > timeoutMs ? 'cutForIdling' : null;
  }

  /** 0: no bound. */
  #weigh(most: number): void {
    this.#bytes = 0;
    const weighed = this.#present().map((connection) => ({ connection, bytes: connection.heldBytes }));
    let held = weighed.reduce((sum, { bytes }) => sum + bytes, 0);
    this.heldBytes = held;
    if (most === 0 || held <= most) return;
    // Who said NO-EVICT is spared, but not with more than all clients may hold.
    const spared = weighed.filter(({ connection }) => connection.client.noEvict);
    const isSpared = spared.reduce((sum, { bytes }) => sum + bytes, 0) <= most;
    const greediest = weighed
      .filter(({ connection: { client } }) => !isNode(client) && !(isSpared && client.noEvict))
      .sort((a, b) => b.bytes - a.bytes);
    for (const { connection, bytes } of greediest) {
      if (held <= most) break;
      held -= bytes;
      this.#state.counters.cutForMemory++;
      connection.cut();
    }
  }

  /** Without those that were cut, which are here until their sockets say so. */
  #present(): Connection[] {
    return [...this.#connections].filter(({ socket }) => !socket.destroyed);
  }
}

/** Other nodes bound what they send by themselves; with them would go the commands of all their clients. */
function isNode({ role }: Client): boolean {
  return role === ROLE.relay || role === ROLE.final;
}
