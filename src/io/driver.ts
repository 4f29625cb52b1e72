import { type Address, assert, type NodeId, SeededRng, ShoalError, splitAddress } from '../base/index.ts';
import type {
  Command,
  ConvergedView,
  EventView,
  JoinView,
  KeyOperation,
  KeyView,
  Machine,
  NodeApi,
  Outputs,
  RangeView,
  Released,
  StatusView,
  Yielded,
} from '../node/index.ts';
import { AddressWatch, advertised, type Found } from './advertise.ts';
import { Alarm } from './alarm.ts';
import { monotonicMs, wallMs, wallTime } from './clock.ts';
import { Commands } from './commands.ts';
import { driverMetrics } from './driver-metrics.ts';
import { type Attached, bootOf, type DriverOptions, idInUse, nodeOptionsOf } from './driver-options.ts';
import { outputsTo } from './driver-outputs.ts';
import { driverWarnings } from './driver-warnings.ts';
import { randomU32 } from './entropy.ts';
import { EventLog } from './events.ts';
import { isWildcard } from './interfaces.ts';
import { KnownHosts } from './known-hosts.ts';
import type { Log } from './log.ts';
import { type Network, type NetworkSink, openNetwork } from './network.ts';
import { Published, type PublishedListener } from './published.ts';
import { laterTransport, type Seal, SealedElsewhere } from './sealing.ts';
import { type StateBoot, StateDirectory } from './state/directory.ts';
import { statusOf } from './status.ts';

/**
 * Runs one machine on real sockets, files and time: what it puts out is done, what happens is put in, one timer wakes
 * it. To the rooms beside it is the running node ({@link NodeApi}).
 * Invariants: the machine is never entered while it runs; `nowMs` never goes back; after an error thrown by the
 * machine nothing is put in any more, because its state is not to be trusted.
 */
export class Driver implements NodeApi {
  readonly #options: DriverOptions;
  readonly #log: Log;
  readonly #state: StateDirectory;
  readonly #startedAt = wallTime();
  readonly #startedMs = monotonicMs();
  readonly #commands = new Commands();
  readonly #events = new EventLog(wallTime, randomU32());
  readonly #published = new Published();
  readonly #alarm: Alarm;
  readonly #warnings: readonly string[];
  #network: Network | null = null;
  #node: Machine | null = null;
  #seal: Seal | null = null;
  #sealedElsewhere: SealedElsewhere | null = null;
  #gossip: Address;
  #http: Address | null = null;
  #resp: Address | null;
  #attached: Attached[] = [];
  #running = false;
  #inside = false;
  #stopped: Promise<void> | null = null;
  #watch: AddressWatch | null = null;
  /** While a new id is taken. */
  #renewing: Promise<void> | null = null;
  #renewed: string | null = null;
  /** Machines made: one, and one more for each new id. */
  #lives = 0;
  #sayRefused: (error: Error) => void = () => {};
  /** Resolves when this process must not go on: another one has its node id, or a new one could not be taken. */
  readonly whenRefused: Promise<Error>;
  #sayLeft: () => void = () => {};
  /** Resolves after a `leave` was answered: time to stop. */
  readonly whenLeft: Promise<void>;

  private constructor(options: DriverOptions, state: StateDirectory, warnings: readonly string[]) {
    this.#options = options;
    this.#log = options.log;
    this.#state = state;
    this.#warnings = warnings;
    this.#gossip = options.bind;
    this.#resp = options.resp ?? null;
    this.#alarm = new Alarm(monotonicMs, (nowMs) => this.#wake(nowMs));
    this.whenRefused = new Promise((resolve) => {
      this.#sayRefused = resolve;
    });
    this.whenLeft = new Promise((resolve) => {
      this.#sayLeft = resolve;
    });
  }

  /** @throws ShoalError of the state directory (`state-...`) or of the sockets (`address-in-use`, `bad-bind`...). */
  static async start(options: DriverOptions): Promise<Driver> {
    const { log, soundness } = options;
    const { state, boot } = await StateDirectory.open(options.stateDirectory, {
      log,
      ...(soundness === undefined ? {} : { soundness }),
    });
    const driver = new Driver(options, state, boot.warnings);
    try {
      await driver.#open(boot, options.bind, []);
    } catch (error) {
      driver.#watch?.stop();
      await driver.#network?.stop();
      await state.close({ nextCounter: boot.leaseFrom, incarnation: boot.incarnation, snapshot: null });
      throw error;
    }
    return driver;
  }

  /** Opens the sockets and starts the machine on them. `contacts`: to be tried besides those of the settings. */
  async #open(boot: StateBoot, bind: Address, contacts: readonly Address[]): Promise<void> {
    const { multicast, log } = this.#options;
    const sink = await this.#sealed(boot);
    const known = new KnownHosts(() => this.#livePeers(), monotonicMs);
    const isMember = (ip: string): boolean => known.has(ip);
    this.#network = await openNetwork({ bind, multicast, log, nowMs: monotonicMs, isMember }, sink);
    this.#compose(boot, this.#network, contacts);
    this.#running = true;
    this.#input((node, nowMs) => node.start(nowMs));
  }

  /** Where peers reach this node. */
  get gossip(): Address {
    return this.#gossip;
  }

  /** How late this process' timers were lately, at worst. */
  readonly lagMs = (): number => this.#alarm.lagMs();

  /** The figures of this node's record are others now. */
  setCapacity(capacity: Readonly<Record<string, number>>): void {
    this.#input((node, nowMs) => node.described({ capacity }, nowMs));
  }

  /** Where this node's HTTP and RESP servers answer, once they do: for `status`. */
  setAddresses(addresses: { readonly http?: Address | null; readonly resp?: Address | null }): void {
    if (addresses.http !== undefined) this.#http = addresses.http;
    if (addresses.resp !== undefined) this.#resp = addresses.resp;
  }

  /** A part beside the node whose warnings and figures are shown with the node's. */
  attach(part: Attached): void {
    this.#attached.push(part);
  }

  /**
   * Closes sockets and files. With `snapshot` the state is written as a snapshot, if anything changed since the last
   * one. Commands that still wait are refused. Does not announce anything: `leave` does.
   */
  stop(how: { readonly snapshot: boolean }): Promise<void> {
    this.#stopped ??= this.#stop(how.snapshot);
    return this.#stopped;
  }

  status(): StatusView {
    const node = this.#machine();
    const nowMs = monotonicMs();
    const { name, version, cluster } = this.#options;
    const told = {
      ...{ name, version, cluster, startedAt: this.#startedAt, uptimeMs: nowMs - this.#startedMs },
      addresses: { gossip: this.#gossip, http: this.#http, resp: this.#resp },
      eventLoopLagMs: this.#alarm.lagMs(),
      multicasts: this.#network?.multicasts ?? false,
      seal: this.#seal,
      // What explains the others comes first.
      warnings: [
        ...((this.#seal ?? this.#sealedElsewhere)?.warnings() ?? []),
        ...node.warnings(this.#seal?.keysFail() ?? false),
        ...this.#ownWarnings(),
      ],
    };
    return statusOf(node, told, nowMs);
  }

  members() {
    return this.#machine().members(monotonicMs());
  }

  ranges(node?: string) {
    return this.#machine().ranges(node);
  }

  segments() {
    return this.#machine().segments();
  }

  readonly ownership = () => this.#machine().ownership();
  ownersAt(position: number) {
    return this.#machine().ownersAt(position);
  }

  ownersOfKey(key: string) {
    return this.#machine().ownersOfKey(key);
  }

  coverage(copies: number) {
    return this.#machine().coverage(copies);
  }

  ready() {
    return this.#running ? this.#machine().ready() : { ready: false, reason: 'stopping' };
  }

  metrics() {
    const { counters } = this.#network as Network;
    const own = driverMetrics(counters, this.#state, this.lagMs(), this.#commands.size);
    const beside = this.#attached.flatMap((part) => part.metrics());
    return [...this.#machine().metrics(monotonicMs()), ...own, ...(this.#seal?.metrics() ?? []), ...beside];
  }

  onEvent(listener: (event: EventView) => void): () => void {
    return this.#events.listen(listener);
  }

  eventsAfter(afterId: number): readonly EventView[] {
    return this.#events.after(afterId);
  }

  publish(channel: Uint8Array, message: Uint8Array): boolean {
    let taken = false;
    this.#input((node, nowMs) => {
      taken = node.publish(channel, message, nowMs);
    });
    return taken;
  }

  onPublished(listener: PublishedListener): () => void {
    return this.#published.listen(listener);
  }

  readonly propagationMs = () => this.#machine().propagationMs();

  converged(waitMs: number): Promise<ConvergedView> {
    return this.#command({ kind: 'converged', waitMs }) as Promise<ConvergedView>;
  }

  register(input: { start: number; end: number; priority: number; node?: string }): Promise<RangeView> {
    return this.#command({ kind: 'register', ...input }) as Promise<RangeView>;
  }

  adjust(input: { start: number; end: number; by: number; node?: string }): Promise<RangeView | Released> {
    return this.#command({ kind: 'adjust', ...input }) as Promise<RangeView | Released>;
  }

  release(input: { start: number; end: number; node?: string }): Promise<Released> {
    return this.#command({ kind: 'release', ...input }) as Promise<Released>;
  }

  join(addresses: readonly string[]): Promise<JoinView> {
    return this.#command({ kind: 'join', addresses }) as Promise<JoinView>;
  }

  async leave(options: { readonly release: boolean }): Promise<void> {
    await this.#command({ kind: 'leave', release: options.release });
  }

  async forceLeave(node: string): Promise<void> {
    await this.#command({ kind: 'force-leave', node });
  }

  keys(): readonly KeyView[] {
    return this.#keyring().keys();
  }

  async changeKeys(operation: KeyOperation, key: string): Promise<readonly KeyView[]> {
    const seal = this.#keyring();
    seal.change(operation, key);
    const { keyring } = this.#state;
    await keyring.settled();
    if (keyring.error !== null) throw new ShoalError(keyring.error.code, keyring.error.message);
    return seal.keys();
  }

  #keyring(): Seal {
    if (this.#seal !== null) return this.#seal;
    throw new ShoalError(
      'not-sealed',
      'this node has no keyring: make a key with shoal keygen, and start every node with --key-file',
    );
  }

  #machine(): Machine {
    if (this.#node === null) throw new ShoalError('leaving', 'the node has not started');
    return this.#node;
  }

  #command(command: Command) {
    if (!this.#running) return Promise.reject(new ShoalError('leaving', 'the node is stopping'));
    return this.#commands.add((token) => this.#input((node, nowMs) => node.command(token, command, nowMs)));
  }

  /** Every way into the machine. */
  #input(act: (node: Machine, nowMs: number) => void): void {
    if (!this.#running || this.#node === null) return;
    try {
      assert(!this.#inside, 'the machine is not entered while it runs');
      this.#inside = true;
      act(this.#node, monotonicMs());
      this.#alarm.set(this.#node.nextWakeMs());
      this.#state.incarnationUsed(this.#node.incarnation);
      if (this.#node.left()) this.#sayLeft();
      const yielded = this.#node.yielded();
      if (yielded !== null) this.#renewing = this.#giveUp(this.#node, yielded);
      this.#inside = false;
    } catch (error) {
      this.#crash(error);
      return;
    }
    this.#events.deliver();
    this.#published.deliver();
  }

  #wake(nowMs: number): void {
    this.#input((node) => {
      if (node.nextWakeMs() <= nowMs) node.wake(nowMs);
    });
  }

  #crash(error: unknown): void {
    this.#running = false;
    this.#alarm.clear();
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    this.#log.error({ stack }, `the node contradicts itself and stops: ${message}`);
    if (this.#options.crash !== undefined) {
      this.#options.crash(error);
      return;
    }
    // Past every catch between here and the event loop: nobody may go on with this state.
    process.nextTick(() => {
      throw error;
    });
  }

  #sink(): NetworkSink {
    return {
      datagram: (bytes, from, via) => this.#input((node, now) => node.datagram(bytes, from, via, now)),
      accepted: (stream, from) => this.#input((node, now) => node.accepted(stream, from, now)),
      opened: (stream) => this.#input((node, now) => node.opened(stream, now)),
      frame: (stream, bytes) => this.#input((node, now) => node.frame(stream, bytes, now)),
      closed: (stream, reason) => this.#input((node, now) => node.closed(stream, reason, now)),
    };
  }

  /** Where the network's inputs go: to the machine, or to the seal in front of it. */
  async #sealed(boot: StateBoot): Promise<NetworkSink> {
    const above = this.#sink();
    const { seal, cluster } = this.#options;
    if (seal === null || seal === undefined) {
      const below = laterTransport(() => this.#network);
      const log = (message: string): void => this.#log.warn({}, message);
      this.#sealedElsewhere = new SealedElsewhere(above, below, monotonicMs, log);
      return this.#sealedElsewhere.sink;
    }
    const { keyring } = this.#state;
    this.#seal = seal({
      cluster,
      node: boot.id,
      saved: await keyring.read(),
      below: laterTransport(() => this.#network),
      above,
      nowMs: monotonicMs,
      wallMs,
      save: (ring) => keyring.write(ring),
      peers: () => this.#livePeers(),
      alive: () => this.#livePeers(['alive', 'suspect']),
      log: (level, message) => this.#log[level]({}, message),
      nameOf: (at) => (this.#node?.members(monotonicMs()) ?? []).find((m) => m.address === at)?.name ?? null,
      ringChanged: (keys) => this.#keysChanged(boot.id, keys),
    });
    return this.#seal.incoming;
  }

  #keysChanged(subject: NodeId, keys: readonly string[]): void {
    this.#events.add({ type: 'keys-changed', subject, name: this.#options.name, origin: null, keys });
    if (!this.#inside) this.#events.deliver();
  }

  /** Others that did not leave, or are what is asked for. */
  #livePeers(status: readonly string[] = ['alive', 'suspect', 'down']): Address[] {
    const all = this.#node?.members(monotonicMs()) ?? [];
    return all.filter((m) => !m.self && status.includes(m.status)).map((member) => member.address);
  }

  /** Another process has this node's id: goes on as a new node, or not at all. */
  async #giveUp(node: Machine, { how, id, other }: Yielded): Promise<void> {
    this.#running = false;
    this.#alarm.clear();
    this.#watch?.stop();
    this.#commands.abandon('gives up its id');
    const { path } = this.#state;
    if (how === 'refuse') {
      this.#sayRefused(idInUse(id, other, path));
      return;
    }
    try {
      const bound = (this.#network as Network).address;
      await this.#network?.stop();
      const boot = await this.#state.renew(node.snapshotBytes());
      this.#renewed = `this node took the new id ${boot.id}: another process, at ${other}, has ${id} and started earlier; ${path} was a copy of its state directory`;
      this.#log.warn({ id: boot.id, former: id, other }, this.#renewed);
      await this.#open(boot, bound, [other]);
    } catch (error) {
      this.#running = false;
      this.#sayRefused(error as Error);
    }
  }

  /** Where others reach what was bound; looked at again and again when that can change by itself. */
  #addresses(bound: Address): readonly Address[] {
    const { advertise, multicast } = this.#options;
    if (advertise !== null) return [advertise];
    const look = (): Found => advertised(bound, multicast?.interface ?? null);
    const told = look();
    if (isWildcard(splitAddress(bound)?.host ?? '')) {
      this.#watch = new AddressWatch(look, told, (to) => {
        this.#log.info({ from: this.#gossip, to }, 'this machine has other addresses: told to the group');
        this.#gossip = to[0] as Address;
        this.#input((node, nowMs) => node.described({ addresses: to }, nowMs));
      });
    }
    return told.addresses;
  }

  #compose(state: StateBoot, network: Network, contacts: readonly Address[]): void {
    const options = this.#options;
    const [gossip, ...alternates] = this.#addresses(network.address);
    this.#gossip = gossip as Address;
    const nodeOptions = nodeOptionsOf(options, network, {
      advertise: this.#gossip,
      alternates,
      resp: this.#resp,
      join: [...options.join, ...contacts],
      sealed: this.#seal !== null,
    });
    this.#node = options.factory(
      bootOf(state),
      nodeOptions,
      this.#outputs(network),
      new SeededRng(options.seed ?? randomU32()),
    );
  }

  #outputs(network: Network): Outputs {
    const life = ++this.#lives;
    return outputsTo({
      transport: this.#seal?.outgoing ?? network,
      state: this.#state,
      commands: this.#commands,
      events: this.#events,
      published: this.#published,
      log: this.#log,
      machine: () => this.#node,
      // What a node asked of the disk is for no later one: with a new id its counters are others.
      answer: (act) => {
        if (life === this.#lives) this.#input(act);
      },
    });
  }

  #ownWarnings(): string[] {
    const own = driverWarnings({
      lagMs: this.lagMs(),
      state: this.#state,
      multicastFailed: this.#options.multicast !== null && this.#network?.multicasts === false,
      bind: this.#network?.address ?? this.#options.bind,
    });
    if (this.#renewed !== null) own.push(this.#renewed);
    for (const part of this.#attached) own.push(...part.warnings());
    return [...this.#warnings, ...own];
  }

  async #stop(snapshot: boolean): Promise<void> {
    await this.#renewing;
    this.#watch?.stop();
    const node = this.#machine();
    const sound = this.#running;
    this.#running = false;
    this.#alarm.clear();
    this.#commands.abandon('is stopping');
    await this.#network?.stop();
    // After a crash what the machine says is not written over what is on disk.
    if (!sound) return this.#state.abandon();
    await this.#state.close({
      nextCounter: node.nextCounter(),
      incarnation: node.incarnation,
      snapshot: snapshot && this.#state.changed ? node.snapshotBytes() : null,
    });
  }
}

export function createDriver(options: DriverOptions): Promise<Driver> {
  return Driver.start(options);
}
