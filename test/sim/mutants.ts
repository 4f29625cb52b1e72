import type { NodeId } from '../../src/base/index.ts';
import type { RangeView } from '../../src/node/contract.ts';
import type { Answer, Command, Machine, NodeFactory, Outputs } from '../../src/node/machine.ts';
import { KIND } from '../../src/wire/index.ts';
import { kindOf } from './traffic.ts';

/** A way to break the machine, and the rules of which one must fire. */
export interface Mutant {
  readonly what: string;
  readonly rules: readonly string[];
  readonly breaks: (factory: NodeFactory) => NodeFactory;
}

/** The same machine with some of its methods replaced. */
function override(machine: Machine, changes: Partial<Machine>): Machine {
  return new Proxy(machine, {
    get(target, name) {
      const value: unknown = Reflect.get(changes, name) ?? Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Breaks only the outputs. */
function outputs(change: (out: Outputs) => Partial<Outputs>): Mutant['breaks'] {
  return (factory) => (boot, options, out, rng) => factory(boot, options, { ...out, ...change(out) }, rng);
}

/** The second host, so that there is always somebody whole. */
function isVictim(advertise: string): boolean {
  return advertise === '10.0.0.2:29999';
}

const DELTA_KINDS: readonly number[] = [KIND.tree, KIND.list, KIND.multicast, KIND.repair];

const deaf: Mutant = {
  what: 'one node drops every delta it gets, repairs included',
  rules: ['convergence'],
  breaks: (factory) => (boot, options, out, rng) => {
    const machine = factory(boot, options, out, rng);
    if (!isVictim(options.advertise)) return machine;
    return override(machine, {
      datagram: (bytes, from, via, now) => {
        if (!DELTA_KINDS.includes(kindOf(bytes))) machine.datagram(bytes, from, via, now);
      },
      frame: (stream, bytes, now) => {
        if (kindOf(bytes) !== KIND.reconcile) machine.frame(stream, bytes, now);
      },
    });
  },
};

const stone: Mutant = {
  what: 'one node hears nothing at all',
  rules: ['convergence'],
  breaks: (factory) => (boot, options, out, rng) => {
    const machine = factory(boot, options, out, rng);
    return isVictim(options.advertise) ? override(machine, { datagram() {}, frame() {} }) : machine;
  },
};

const reuser: Mutant = {
  what: 'a restarted node uses its dot counters again',
  rules: ['dots', 'threw'],
  breaks: (factory) => (boot, options, out, rng) =>
    factory({ ...boot, leaseFrom: 1, leaseTo: 1025, journal: [], snapshot: null }, options, out, rng),
};

function pretend(command: Command): Answer | null {
  switch (command.kind) {
    case 'register': {
      const { start, end, priority } = command;
      const node = (command.node ?? '') as NodeId;
      return { ok: { node, name: node, start, end, priority } satisfies RangeView };
    }
    case 'release':
      return { ok: { released: true } };
    default:
      return null;
  }
}

function liar(kind: 'register' | 'release', rule: string): Mutant {
  return {
    what: `one node answers ${kind} without doing it`,
    rules: [rule],
    breaks: (factory) => (boot, options, out, rng) => {
      const machine = factory(boot, options, out, rng);
      if (!isVictim(options.advertise)) return machine;
      return override(machine, {
        command: (token, command, now) => {
          const answer = command.kind === kind ? pretend(command) : null;
          if (answer === null) machine.command(token, command, now);
          else out.answer(token, answer);
        },
      });
    },
  };
}

/** Registers again, by itself, whatever it sees released. */
const reviver: Mutant = {
  what: 'one node brings back what was released',
  rules: ['resurrected'],
  breaks: (factory) => (boot, options, out, rng) => {
    if (!isVictim(options.advertise)) return factory(boot, options, out, rng);
    const before = new Map<string, number>();
    const todo: Command[] = [];
    const machine = factory(
      boot,
      options,
      {
        ...out,
        event: (event) => {
          out.event(event);
          if (event.range === undefined || event.type === 'owners-changed') return;
          const { start, end } = event.range;
          const key = `${event.subject} ${start} ${end}`;
          const by = before.get(key) ?? 0;
          if (event.type === 'range-released' && by > 0)
            todo.push({ kind: 'adjust', start, end, by, node: event.subject });
          before.set(key, event.type === 'range-released' ? 0 : (event.range.priority ?? 0));
        },
        answer: (token, answer) => {
          if (token >= 0) out.answer(token, answer);
        },
      },
      rng,
    );
    let token = -1;
    return override(machine, {
      wake: (now) => {
        for (const command of todo.splice(0)) machine.command(token--, command, now);
        machine.wake(now);
      },
    });
  },
};

const spinner: Mutant = {
  what: 'a node wants to be woken all the time',
  rules: ['spins'],
  breaks: (factory) => (boot, options, out, rng) =>
    override(factory(boot, options, out, rng), { nextWakeMs: () => 0 }),
};

const accuser: Mutant = {
  what: 'a node lists the others as down',
  rules: ['members'],
  breaks: (factory) => (boot, options, out, rng) => {
    const machine = factory(boot, options, out, rng);
    return override(machine, {
      members: (now) => machine.members(now).map((m) => (m.self ? m : { ...m, status: 'down' as const })),
    });
  },
};

const stutterer: Mutant = {
  what: 'a node answers twice',
  rules: ['answers'],
  breaks: outputs((out) => ({
    answer: (token, answer) => {
      out.answer(token, answer);
      out.answer(token, answer);
    },
  })),
};

const mute: Mutant = {
  what: 'a node never answers',
  rules: ['answers'],
  breaks: outputs(() => ({ answer() {} })),
};

const fat: Mutant = {
  what: 'a node sends datagrams over the limit',
  rules: ['too-large'],
  breaks: outputs((out) => ({
    send: (to, bytes) => {
      const more = new Uint8Array(bytes.length + 1201);
      more.set(bytes);
      out.send(to, more);
    },
  })),
};

const wasteful: Mutant = {
  what: 'every tree message is sent twice',
  rules: ['minimal'],
  breaks: outputs((out) => ({
    send: (to, bytes) => {
      out.send(to, bytes);
      if (kindOf(bytes) === KIND.tree) out.send(to, bytes.slice());
    },
  })),
};

const silent: Mutant = {
  what: 'a node keeps every release to itself instead of telling its watchers',
  rules: ['events'],
  breaks: outputs((out) => ({
    event: (event) => {
      if (event.type !== 'range-released') out.event(event);
    },
  })),
};

const usurper: Mutant = {
  what: 'a node names the owners in the wrong order',
  rules: ['owners'],
  breaks: (factory) => (boot, options, out, rng) => {
    const machine = factory(boot, options, out, rng);
    return override(machine, {
      ownersAt: (position) => {
        const view = machine.ownersAt(position);
        return { ...view, owners: view.owners.toReversed() };
      },
    });
  },
};

const unready: Mutant = {
  what: 'a node never calls itself ready',
  rules: ['rest'],
  breaks: (factory) => (boot, options, out, rng) =>
    override(factory(boot, options, out, rng), { ready: () => ({ ready: false, reason: 'not yet' }) }),
};

const hoarder: Mutant = {
  what: 'a node holds more than the limits allow',
  rules: ['queues'],
  breaks: (factory) => (boot, options, out, rng) => {
    const samples = [{ labels: { what: 'hops' }, value: 1e6 }];
    const family = { name: 'shoal_pending', help: '', type: 'gauge' as const, samples };
    return override(factory(boot, options, out, rng), { metrics: () => [family] });
  },
};

/** Broken machines, each caught by another rule: what the checkers are tested with. */
export const MUTANTS: Readonly<Record<string, Mutant>> = {
  deaf,
  stone,
  reuser,
  'lies-about-register': liar('register', 'lost'),
  'lies-about-release': liar('release', 'resurrected'),
  reviver,
  spinner,
  accuser,
  stutterer,
  mute,
  fat,
  wasteful,
  silent,
  usurper,
  unready,
  hoarder,
};
