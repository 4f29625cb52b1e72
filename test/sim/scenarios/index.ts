import { createNode } from '../../../src/node/index.ts';
import { MUTANTS } from '../mutants.ts';
import type { RunResult } from '../result.ts';
import { brokenRun } from './broken.ts';
import { alarmRun, killRun, leaveRun, stallRun } from './detection.ts';
import { faultRun } from './faults.ts';
import { halving, lanRun, minimalRun } from './minimal.ts';
import { partitionRun } from './partition.ts';
import { publishRun } from './publish.ts';
import { spreadRun } from './spread.ts';

/** What the command line gives to a scenario; each takes what it needs. */
export interface Settings {
  readonly seed: number;
  /** Null: the scenario's own. */
  readonly nodes: number | null;
  readonly loss: number;
  readonly delay: number;
  readonly jitter: number;
  readonly seconds: number | null;
  readonly domains: number;
  readonly changes: number;
  readonly partition: number;
  readonly mutant: string;
  readonly log: ((line: string) => void) | null;
  readonly progress: ((text: string) => void) | null;
}

export interface Scenario {
  readonly what: string;
  readonly run: (settings: Settings) => RunResult;
}

const MONTH_SECONDS = 30 * 24 * 3600;

function logging({ log }: Settings): { log?: (line: string) => void } {
  return log === null ? {} : { log };
}

function partition(settings: Settings, seconds: number, nodes: number): RunResult {
  const { seed, changes } = settings;
  return partitionRun({
    seed,
    factory: createNode,
    nodes: settings.nodes ?? nodes,
    seconds: settings.seconds ?? seconds,
    changes,
    ...logging(settings),
  });
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  spread: {
    what: 'a group forms; changes at random nodes are followed to every node under loss (and a partition)',
    run: (settings) => {
      const { seed, loss, delay, jitter, domains, changes, partition: partitionSeconds } = settings;
      const given = { seed, loss, delay, jitter, domains, changes, partitionSeconds };
      const { nodes, seconds } = settings;
      return spreadRun({
        ...given,
        factory: createNode,
        nodes: nodes ?? 100,
        seconds: seconds ?? 10,
        ...logging(settings),
      });
    },
  },
  faults: {
    what: 'random faults of every kind, random changes; then all heals and agreement is demanded in time',
    run: ({ seed, nodes, seconds, ...rest }) =>
      faultRun({
        seed,
        factory: createNode,
        ...(nodes === null ? {} : { nodes }),
        ...(seconds === null ? {} : { seconds }),
        ...(rest.log === null ? {} : { log: rest.log }),
      }),
  },
  sealed: {
    what: 'the same with sealed traffic and keys that change meanwhile (every tenth seed of faults is)',
    run: ({ seed, nodes, seconds, ...rest }) =>
      faultRun({
        seed,
        factory: createNode,
        sealed: true,
        ...(nodes === null ? {} : { nodes }),
        ...(seconds === null ? {} : { seconds }),
        ...(rest.log === null ? {} : { log: rest.log }),
      }),
  },
  minimal: {
    what: 'one broadcast in a quiet group of every size from 2 to --nodes (1000): n-1 messages, ceil(log2 n) rounds',
    run: ({ seed, nodes, log, progress }) => {
      const sizes = Array.from({ length: (nodes ?? 1000) - 1 }, (_, i) => i + 2);
      return minimalRun({
        seed,
        factory: halving,
        sizes,
        ...(log === null ? {} : { log }),
        ...(progress === null ? {} : { progress: (n) => progress(`${n} nodes`) }),
      });
    },
  },
  lans: {
    what: 'one broadcast over --domains LANs of --nodes in all: a multicast each, and a tree message between them',
    run: (settings) => {
      const lans = Math.max(1, settings.domains);
      const perLan = Math.max(3, Math.ceil((settings.nodes ?? 4 * lans) / lans));
      return lanRun({ seed: settings.seed, factory: createNode, lans, perLan, ...logging(settings) });
    },
  },
  publish: {
    what: '--changes messages are published in a group of --nodes (20) within --seconds (5), under loss, or halves apart for a third of it (--partition 1): nobody gets one twice',
    run: (settings) =>
      publishRun({
        seed: settings.seed,
        factory: createNode,
        nodes: settings.nodes ?? 20,
        loss: settings.loss,
        domains: settings.domains,
        messages: settings.changes,
        seconds: settings.seconds ?? 5,
        partition: settings.partition > 0,
        ...logging(settings),
      }),
  },
  partition: {
    what: 'two halves apart for --seconds (60), changing the same entries; they meet and agree within 15 s',
    run: (settings) => partition(settings, 60, 10),
  },
  month: {
    what: 'the same after a month',
    run: (settings) => partition(settings, MONTH_SECONDS, 4),
  },
  kill: {
    what: 'in a quiet group of --nodes (64) one after another is killed (--changes, 50): how long until all know; idle bytes',
    run: (settings) =>
      killRun({
        seed: settings.seed,
        factory: createNode,
        nodes: settings.nodes ?? 64,
        kills: settings.changes,
        loss: settings.loss,
        domains: settings.domains,
        formed: (settings.nodes ?? 64) > 100 && settings.domains === 0 ? createNode : null,
        ...logging(settings),
      }),
  },
  leave: {
    what: 'in a quiet group of --nodes (64) one after another leaves and comes back (--changes, 50): how long until all know that it left',
    run: (settings) =>
      leaveRun({
        seed: settings.seed,
        factory: createNode,
        nodes: settings.nodes ?? 64,
        kills: settings.changes,
        loss: settings.loss,
        domains: settings.domains,
        formed: null,
        ...logging(settings),
      }),
  },
  alarms: {
    what: '--nodes (100) under --loss for --seconds (60): nobody is called down, for all are alive',
    run: (settings) =>
      alarmRun({
        seed: settings.seed,
        factory: createNode,
        nodes: settings.nodes ?? 100,
        seconds: settings.seconds ?? 60,
        loss: settings.loss,
        ...logging(settings),
      }),
  },
  stalls: {
    what: 'a tenth of --nodes (100) stalls for 5 s every minute, --seconds (180): only they are suspected, and they accuse nobody',
    run: (settings) =>
      stallRun({
        seed: settings.seed,
        factory: createNode,
        nodes: settings.nodes ?? 100,
        seconds: settings.seconds ?? 180,
        ...logging(settings),
      }),
  },
  broken: {
    what: `built to fail: a broken machine (--mutant ${Object.keys(MUTANTS).join('|')}) that the checkers catch`,
    run: ({ seed, mutant, log }) =>
      brokenRun(mutant, mutant === 'wasteful' ? halving : createNode, seed, log ?? undefined),
  },
};
