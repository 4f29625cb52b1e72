/** For tests only: a machine that does what it is told and remembers what came in. */
import type {
  Boot,
  Command,
  Described,
  EventView,
  Machine,
  NodeEvent,
  NodeFactory,
  NodeOptions,
  Outputs,
  Yielded,
} from '../../node/index.ts';

export class FakeMachine implements Machine {
  readonly boot: Boot;
  readonly options: NodeOptions;
  readonly out: Outputs;
  readonly inputs: { readonly kind: string; readonly [field: string]: unknown }[] = [];
  readonly id;
  incarnation: number;
  wakeAtMs = Infinity;
  wakes = 0;
  counter: number;
  snapshotContent = new Uint8Array([1, 2, 3]);
  hasLeft = false;
  onCommand: (token: number, command: Command, nowMs: number) => void = (token) =>
    this.out.answer(token, { ok: null });

  constructor(boot: Boot, options: NodeOptions, out: Outputs) {
    this.boot = boot;
    this.options = options;
    this.out = out;
    this.id = boot.id;
    this.incarnation = boot.incarnation;
    this.counter = boot.leaseFrom;
  }

  count(kind: string): number {
    return this.inputs.filter((input) => input.kind === kind).length;
  }

  start(nowMs: number): void {
    this.inputs.push({ kind: 'start', nowMs });
  }
  datagram(bytes: Uint8Array, from: string, viaMulticast: boolean): void {
    this.inputs.push({ kind: 'datagram', bytes: Buffer.from(bytes).toString(), from, viaMulticast });
  }
  publish(channel: Uint8Array, message: Uint8Array): boolean {
    this.inputs.push({ kind: 'publish', channel, message });
    return true;
  }
  described(change: Described): void {
    this.inputs.push({ kind: 'described', ...change });
  }
  accepted(stream: number, from: string): void {
    this.inputs.push({ kind: 'accepted', stream, from });
  }
  opened(stream: number): void {
    this.inputs.push({ kind: 'opened', stream });
  }
  frame(stream: number, bytes: Uint8Array): void {
    this.inputs.push({ kind: 'frame', stream, bytes: Buffer.from(bytes).toString() });
  }
  closed(stream: number, reason: string): void {
    this.inputs.push({ kind: 'closed', stream, reason });
  }
  persisted(token: number, error: { code: string } | null): void {
    this.inputs.push({ kind: 'persisted', token, error });
    this.out.answer(
      token,
      error === null ? { ok: { released: true } } : { error: { code: error.code, message: 'no' } },
    );
  }
  leased(upTo: number, error: { code: string } | null): void {
    this.inputs.push({ kind: 'leased', upTo, error });
  }
  command(token: number, command: Command, nowMs: number): void {
    this.inputs.push({ kind: 'command', command });
    this.onCommand(token, command, nowMs);
  }
  wake(nowMs: number): void {
    this.wakes++;
    this.wakeAtMs = Infinity;
    this.inputs.push({ kind: 'wake', nowMs });
  }
  nextWakeMs(): number {
    return this.wakeAtMs;
  }

  digest = () => '0'.repeat(16);
  memberCounts = () => ({ alive: 1, suspect: 0, down: 0, left: 0 });
  rangeCounts = () => ({ registrations: 0, segments: 1, unownedPositions: 2 ** 32 });
  healthScore = () => 0;
  reach = () => ({ hears: [], heardBy: [] });
  warnings = (): string[] => ['from the machine'];
  members = () => [];
  ranges = () => [];
  segments = () => [{ start: 0, end: 0xffffffff, owners: [] }];
  ownership = () => ({ version: 0, ownersAt: () => [], eachIn: () => {} });
  ownersAt = (position: number) => ({ position, slot: position >>> 18, owners: [] });
  ownersOfKey = () => this.ownersAt(0);
  coverage = (copies: number) => ({ covered: false, copies, missingPositions: 2 ** 32, gaps: [] });
  ready = () => ({ ready: true, reason: 'joined' });
  metrics = () => [];
  propagationMs = () => [];
  left = () => this.hasLeft;
  yieldedAs: Yielded | null = null;
  yielded = () => this.yieldedAs;
  nextCounter = () => this.counter;
  snapshotBytes = () => this.snapshotContent;
}

/** A factory and the machine it made last. */
export function fakeFactory(): { factory: NodeFactory; machine: () => FakeMachine } {
  let made: FakeMachine | null = null;
  return {
    factory: (boot, options, out) => {
      made = new FakeMachine(boot, options, out);
      return made;
    },
    machine: () => made as unknown as FakeMachine,
  };
}

export function memberEvent(id: Boot['id'], type: EventView['type'] = 'member-join'): NodeEvent {
  return { type, subject: id, name: 'x', origin: null };
}
