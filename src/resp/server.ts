import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import type { Reaper, Store } from '../store/index.ts';
import type { AckLevel } from './ack-level.ts';
import { Client } from './client.ts';
import type { Command } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { Connection } from './connection.ts';
import { Dispatcher } from './dispatcher.ts';
import { isLoopback } from './peers.ts';
import { ROLE, type Role } from './role.ts';
import { type ServerHooks, ServerState } from './state.ts';
import { Sweep } from './sweep.ts';
import { Turns } from './turns.ts';

const SWEEP_MS = 1000;
/** Of the two seconds that a daemon has to stop, what waits for the disk and for readers gets so much. */
const STOP_MS = 1200;
const STOP_STEP_MS = 10;
const KEEPALIVE_MS = 300_000;

const DENIED =
  '-DENIED shoal is in protected mode: it has no password, so it answers programs on its own machine only. ' +
  "Set a password (the setting 'requirepass') to be reached from elsewhere, or connect from here.\r\n";

export interface RespServerOptions {
  readonly commands?: readonly Command[];
  /** Values of CONFIG parameters. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly hooks?: ServerHooks;
  /** What writes wait for unless a client says otherwise. */
  readonly level?: AckLevel;
}

/** Listens, on one port or several, each with its role, and makes a Connection of every client that may have one. */
export class RespServer {
  readonly state: ServerState;
  readonly dispatcher: Dispatcher;
  readonly #turns: Turns;
  readonly #reaper: Reaper;
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Connection>();
  readonly #sockets = new Set<Socket>();
  #nextId = 1;
  readonly sweep: Sweep;
  #sweeping: NodeJS.Timeout | null = null;
  #isStopping = false;
  #runBefore = 0;

  constructor(store: Store, options: RespServerOptions = {}) {
    const runId = randomBytes(20).toString('hex');
    this.state = new ServerState(
      options.commands ?? COMMANDS,
      Date.now(),
      runId,
      options.settings,
      options.hooks,
    );
    if (options.level !== undefined) this.state.defaultLevel = options.level;
    this.dispatcher = new Dispatcher(store, this.state);
    this.sweep = new Sweep(this.state, this.#connections);
    this.#turns = new Turns(this.state, store, this.#connections, this.sweep);
    store.reaper.start(Date.now);
    this.#reaper = store.reaper;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Of these connections, those of other nodes. */
  get links(): number {
    let count = 0;
    for (const { role } of this.state.clients.values())
      if (role === ROLE.relay || role === ROLE.final) count++;
    return count;
  }

  /** The port: the one asked for, or with 0 the one picked. */
  listen(port: number, host: string, role: Role = ROLE.local): Promise<number> {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS });
    server.on('connection', (socket) => this.accept(socket, role));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.removeListener('error', reject);
        // Of a listener that listens: no descriptor left for a client. The next one may have one.
        server.on('error', () => {});
        this.#servers.push(server);
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  /** Ends all connections: what waits for the disk or for its reader has a moment, within the daemon's two seconds. */
  async close(): Promise<void> {
    this.#isStopping = true;
    this.#reaper.stop();
    if (this.#sweeping !== null) clearInterval(this.#sweeping);
    for (const server of this.#servers) server.close();
    const until = Date.now() + STOP_MS;
    for (const connection of this.#connections) connection.finish();
    while (this.#sockets.size > 0 && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, STOP_STEP_MS));
    for (const socket of this.#sockets) socket.destroy();
    while (this.#sockets.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Takes a connection, of a port of its own or of somebody else's, who leaves the socket alone from then on. */
  accept(socket: Socket, role: Role): void {
    this.#sweeping ??= setInterval(() => this.#swept(), SWEEP_MS).unref();
    const { counters, settings } = this.state;
    socket.on('error', () => socket.destroy());
    const refusal = this.#refusal(socket);
    if (refusal !== '') {
      if (refusal === DENIED) counters.unauthorized++;
      else counters.rejected++;
      socket.end(refusal);
      this.#turns.closeSoon(socket);
      return;
    }
    counters.connections++;
    const nowMs = Date.now();
    const client = new Client(
      this.#nextId++,
      `${shownHost(socket.remoteAddress)}:${socket.remotePort}`,
      nowMs,
    );
    client.localAddress = `${shownHost(socket.localAddress)}:${socket.localPort}`;
    client.role = role;
    client.useLevel(this.state.defaultLevel);
    if (settings.password !== '') client.authenticate(false);
    const connection = new Connection(client, socket, this.#turns, this.dispatcher);
    this.state.clients.set(client.id, client);
    this.#connections.add(connection);
    // From here on the connection's socket is the one that counts.
    const own = connection.socket;
    own.on('error', () => own.destroy());
    this.#sockets.add(own);
    own.on('close', () => {
      client.closing = true;
      this.#connections.delete(connection);
      this.#sockets.delete(own);
      counters.bytesIn += client.bytesIn;
      counters.bytesOut += client.bytesOut;
      this.state.forget(client);
    });
  }

  /** Why this connection is not taken, as the client is told; empty when it is. */
  #refusal(socket: Socket): string {
    const { settings } = this.state;
    if (this.#isStopping) return '-ERR the server is stopping\r\n';
    if (this.#connections.size >= settings.maxClients) return '-ERR max number of clients reached\r\n';
    const isProtected = settings.password === '' && settings.get('protected-mode') === 'yes';
    return isProtected && !isLoopback(socket.remoteAddress ?? '') ? DENIED : '';
  }

  #swept(): void {
    const run = this.state.commandsRun();
    this.state.commandsPerSecond = Math.max(0, run - this.#runBefore);
    this.#runBefore = run;
    this.sweep.look(Date.now());
  }
}

function shownHost(host: string | undefined): string {
  if (host === undefined) return '?';
  return host.startsWith('::ffff:') ? host.slice(7) : host.includes(':') ? `[${host}]` : host;
}
