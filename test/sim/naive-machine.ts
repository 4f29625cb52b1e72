import type { Address, NodeId, Rng } from '../../src/base/index.ts';
import { murmur32, utf8 } from '../../src/base/index.ts';
import type { Delta } from '../../src/crdt/index.ts';
import type { JoinView, MemberView, RangeView } from '../../src/node/contract.ts';
import { deltaEntry, type Restored, readEntry } from '../../src/node/journal.ts';
import type { Answer, Boot, Command, Machine, NodeOptions, Outputs } from '../../src/node/machine.ts';

interface Add {
  readonly key: string;
  readonly base: boolean;
  readonly amount: number;
}

interface Known {
  readonly id: NodeId;
  readonly name: string;
  readonly address: Address;
  readonly incarnation: number;
  readonly left: boolean;
}

interface State {
  readonly adds: Record<string, Add>;
  readonly gone: string[];
  readonly members: Known[];
}

const PUSH_MS = 150;

/**
 * A deliberately naive node: it keeps every dot for ever and pushes its whole state over a stream to somebody a few times
 * a second. It tests the simulator and its checkers without the machine they are there to test.
 */
export class NaiveMachine implements Machine {
  readonly id: NodeId;
  readonly incarnation: number;
  readonly #options: NodeOptions;
  readonly #out: Outputs;
  readonly #rng: Rng;
  readonly #adds = new Map<string, Add>();
  readonly #gone = new Set<string>();
  readonly #members = new Map<NodeId, Known>();
  readonly #answers = new Map<number, { token: number | null; answer: Answer }>();
  #counter: number;
  #nextStream = 1;
  #nextPersist = 1;
  #pushAtMs = 0;
  #left = false;

  constructor(boot: Boot, options: NodeOptions, out: Outputs, rng: Rng) {
    this.id = boot.id;
    this.incarnation = boot.incarnation;
    this.#options = options;
    this.#out = out;
    this.#rng = rng;
    this.#counter = boot.leaseFrom;
    if (boot.snapshot !== null) this.#merge(parse(boot.snapshot), false);
    const restored: Restored = { deltas: [], records: [], malformed: 0 };
    for (const record of boot.journal) readEntry(record, restored);
    for (const delta of restored.deltas) this.#mergeDelta(delta);
    const { name, advertise } = options;
    const { id, incarnation } = this;
    this.#members.set(id, { id, name, address: advertise, incarnation, left: false });
  }

  start(nowMs: number): void {
    this.#pushAtMs = nowMs + PUSH_MS * this.#rng.unit();
    for (const { start, end, priority } of this.#options.ranges) {
      if (this.#value(`${this.id} ${start} ${end}`) > 0) continue;
      this.#change(null, { kind: 'register', start, end, priority });
    }
  }

  datagram(): void {}
  accepted(): void {}
  opened(): void {}
  described(): void {}
  publish(): boolean {
    return false;
  }
  closed(): void {}
  leased(): void {}

  frame(_stream: number, bytes: Uint8Array): void {
    this.#merge(parse(bytes), true);
  }

  persisted(token: number, error: { code: string; message: string } | null): void {
    const waiting = this.#answers.get(token);
    this.#answers.delete(token);
    if (waiting === undefined || waiting.token === null) return;
    this.#out.answer(waiting.token, error === null ? waiting.answer : { error });
  }

  command(token: number, command: Command, nowMs: number): void {
    switch (command.kind) {
      case 'register':
      case 'adjust':
      case 'release':
        this.#change(token, command);
        return;
      case 'leave': {
        const own = this.#members.get(this.id) as Known;
        this.#members.set(this.id, { ...own, left: true });
        this.#left = true;
        this.#push();
        this.#out.answer(token, { ok: null });
        return;
      }
      case 'join':
        this.#out.answer(token, { ok: { reached: 0, failed: [] } satisfies JoinView });
        return;
      default:
        this.#out.answer(token, { error: { code: 'unknown-node', message: 'naive' } });
    }
    this.wake(nowMs);
  }

  wake(nowMs: number): void {
    if (nowMs < this.#pushAtMs) return;
    this.#pushAtMs = nowMs + PUSH_MS * (0.5 + this.#rng.unit());
    this.#push();
  }

  nextWakeMs(): number {
    return this.#pushAtMs;
  }

  digest(): string {
    const text = [
      ...this.#adds.keys(),
      ...this.#gone,
      ...[...this.#members.values()].map((m) => JSON.stringify(m)),
    ];
    return murmur32(utf8(text.sort().join())).toString(16);
  }

  memberCounts() {
    const all = [...this.#members.values()];
    const left = all.filter((m) => m.left).length;
    return { alive: all.length - left, suspect: 0, down: 0, left };
  }

  rangeCounts() {
    return { registrations: this.ranges().length, segments: 1, unownedPositions: 0 };
  }

  members(): MemberView[] {
    return [...this.#members.values()].map((m) => ({
      ...m,
      status: m.left ? 'left' : 'alive',
      tags: {},
      resp: null,
      capacity: {},
      lastSeenMs: null,
      rttMs: null,
      self: m.id === this.id,
      version: 'naive',
      digest: null,
      multicastSet: null,
    }));
  }

  ranges(node?: string): RangeView[] {
    const keys = new Set([...this.#adds.values()].map((add) => add.key));
    const views: RangeView[] = [];
    for (const key of [...keys].sort()) {
      const [id, start, end] = key.split(' ') as [NodeId, string, string];
      const priority = this.#value(key);
      if (priority <= 0 || (node !== undefined && node !== id)) continue;
      views.push({ node: id, name: id, start: Number(start), end: Number(end), priority });
    }
    return views;
  }

  segments() {
    return [{ start: 0, end: 0xffffffff, owners: [] }];
  }

  yielded(): null {
    return null;
  }

  left(): boolean {
    return this.#left;
  }

  nextCounter(): number {
    return this.#counter;
  }

  snapshotBytes(): Uint8Array {
    return utf8(JSON.stringify(this.#state()));
  }

  healthScore = () => 0;
  reach = () => ({ hears: [], heardBy: [] });
  warnings = () => [];
  ownership = () => ({ version: 0, ownersAt: () => [], eachIn: () => {} });
  ownersAt = (position: number) => {
    const best = new Map<NodeId, number>();
    for (const { node, start, end, priority } of this.ranges()) {
      const left = this.#members.get(node)?.left ?? true;
      if (!left && position >= start && position <= end)
        best.set(node, Math.max(priority, best.get(node) ?? 0));
    }
    const owners = [...best].map(([node, priority]) => ({ node, name: node, priority }));
    return { position, slot: 0, owners: owners.sort((a, b) => b.priority - a.priority) };
  };
  ownersOfKey = () => ({ position: 0, slot: 0, owners: [] });
  coverage = (copies: number) => ({ covered: false, copies, missingPositions: 0, gaps: [] });
  ready = () => ({ ready: true, reason: '' });
  metrics = () => [];
  propagationMs = () => [];

  /** `token` null: nobody waits for the answer. */
  #change(token: number | null, command: Command & { kind: 'register' | 'adjust' | 'release' }): void {
    const node = (command.node ?? this.id) as NodeId;
    const { start, end } = command;
    const key = `${node} ${start} ${end}`;
    const before = this.#value(key);
    const by = command.kind === 'adjust' ? command.by : 0;
    if (before <= 0 && (command.kind === 'release' || by < 0)) {
      if (token !== null)
        this.#out.answer(token, { error: { code: 'not-registered', message: `${key} is not registered` } });
      return;
    }
    const releases = command.kind === 'release' || (command.kind === 'adjust' && before + by <= 0);
    const removed =
      releases || command.kind === 'register'
        ? [...this.#adds].filter(([dot, add]) => add.key === key && !this.#gone.has(dot)).map(([dot]) => dot)
        : [];
    const amount = command.kind === 'register' ? command.priority : by;
    const counter = this.#counter;
    if (!releases) this.#counter++;
    const kind = command.kind === 'register' ? ('base' as const) : ('increment' as const);
    const live = releases ? [] : [{ actor: this.id, counter, kind, amount }];
    const spans = removed.map((dot) => {
      const [actor, at] = dot.split(':') as [NodeId, string];
      return { actor, lo: Number(at), hi: Number(at) };
    });
    const delta: Delta = { entries: [{ node, start, end, live, removed: spans }], context: [] };
    this.#mergeDelta(delta);
    const priority = this.#value(key);
    const view = { node, name: node, start, end, priority };
    const persist = this.#nextPersist++;
    this.#answers.set(persist, { token, answer: releases ? { ok: { released: true } } : { ok: view } });
    this.#out.persist(deltaEntry(delta), persist);
    if (persist % 50 === 0) this.#out.snapshot(this.snapshotBytes());
    this.#tell(key, before);
  }

  #value(key: string): number {
    let base = 0;
    let sum = 0;
    for (const [dot, add] of this.#adds) {
      if (add.key !== key || this.#gone.has(dot)) continue;
      if (add.base) base = Math.max(base, add.amount);
      else sum += add.amount;
    }
    return Math.max(0, base + sum);
  }

  #mergeDelta(delta: Delta): void {
    for (const entry of delta.entries) {
      const key = `${entry.node} ${entry.start} ${entry.end}`;
      for (const dot of entry.live) {
        this.#adds.set(`${dot.actor}:${dot.counter}`, { key, base: dot.kind === 'base', amount: dot.amount });
      }
      for (const span of entry.removed) {
        for (let c = span.lo; c <= span.hi; c++) this.#gone.add(`${span.actor}:${c}`);
      }
    }
  }

  #merge(state: State, tell: boolean): void {
    const keys = new Map<string, number>();
    for (const add of [...Object.values(state.adds), ...this.#adds.values()]) {
      if (!keys.has(add.key)) keys.set(add.key, tell ? this.#value(add.key) : 0);
    }
    for (const [dot, add] of Object.entries(state.adds)) this.#adds.set(dot, add);
    for (const dot of state.gone) this.#gone.add(dot);
    for (const member of state.members) {
      const known = this.#members.get(member.id);
      const newer =
        known === undefined ||
        member.incarnation > known.incarnation ||
        (member.incarnation === known.incarnation && member.left);
      if (newer) this.#members.set(member.id, member);
    }
    if (tell) for (const [key, before] of keys) this.#tell(key, before);
  }

  #tell(key: string, before: number): void {
    const priority = this.#value(key);
    if (priority === before) return;
    const [subject, start, end] = key.split(' ') as [NodeId, string, string];
    const type = priority > 0 ? ('range-priority' as const) : ('range-released' as const);
    const range = { start: Number(start), end: Number(end), priority };
    this.#out.event({ type, subject, name: subject, origin: null, range });
  }

  #state(): State {
    return {
      adds: Object.fromEntries(this.#adds),
      gone: [...this.#gone],
      members: [...this.#members.values()],
    };
  }

  #push(): void {
    const known = [...this.#members.values()].filter((m) => m.id !== this.id).map((m) => m.address);
    const targets = [...new Set([...known, ...this.#options.join])].sort();
    const to = targets[this.#rng.below(Math.max(1, targets.length))];
    if (to === undefined) return;
    const stream = this.#nextStream++;
    this.#out.connect(stream, to);
    this.#out.write(stream, this.snapshotBytes());
    this.#out.close(stream);
  }
}

function parse(bytes: Uint8Array): State {
  return JSON.parse(new TextDecoder().decode(bytes)) as State;
}
