/**
 * Chaos: `npm run chaos`. Real agents, sealed, on two LANs and a router of network namespaces, with changes at a steady rate
 * and faults drawn from a seed: a round of faults, then all of them end, and everything that trial.ts demands must hold;
 * then a calm while in which nobody may be called down; then the next round with other kinds. Half of the kinds are off in
 * each round, because a fault that is always there hides what only happens without it.
 *
 * It tells what happens, and at the end what was wrong; then the exit code is 1, and logs and state directories stay.
 */
import { SeededRng } from '../../src/base/index.ts';
import { BenchError } from '../bench/args.ts';
import { atEnd, cleanUp } from '../bench/cleanup.ts';
import { Busy, sleep } from '../bench/proc.ts';
import { median, percentile, round } from '../bench/stats.ts';
import { Faults, KINDS, type Kind } from './faults.ts';
import { split } from './network.ts';
import { type Options, parse, USAGE } from './options.ts';
import { Trial } from './trial.ts';
import { RISE_MB, Vitals } from './vitals.ts';

const ROUND_MS = { min: 8_000, max: 22_000 } as const;
const SOAK_ROUND_MS = { min: 20_000, max: 60_000 } as const;
const CALM_MS = 4_000;
const BRIEF_MS = 1_000;

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(USAGE);
    return 0;
  }
  const options = parse(args);
  if (process.getuid?.() !== 0) throw new BenchError('needs root (network namespaces)');
  console.log(`chaos: ${describe(options)}`);
  const trial = await Trial.start({
    seed: options.seed,
    nodes: options.nodes,
    changesPerSecond: options.changes,
    rangesPerNode: options.ranges,
    say: (line) => {
      if (!options.quiet || line.includes('VIOLATION')) console.log(line);
    },
  });
  const run = new Run(trial, options);
  try {
    await run.run();
  } catch (error) {
    trial.violate(`chaos: ${(error as Error).message}`);
  }
  await trial.stop().catch((error: Error) => trial.violate(`chaos: ${error.message}`));
  const failed = run.judge();
  const kept = await trial.close(failed);
  if (failed) {
    for (const line of trial.violations) console.log(line);
    console.log(`FAILED: ${trial.violations.length} violations; logs and state are in ${kept}`);
    console.log(`again: npm run chaos -- ${describe(options)}`);
  }
  return failed ? 1 : 0;
}

function describe(o: Options): string {
  const how = o.soak ? ' --soak' : o.flap > 0 ? ` --flap ${o.flap}` : '';
  const kinds = o.kinds === null ? '' : ` --kinds ${o.kinds.join(',')}`;
  const size = `--nodes ${o.nodes} --changes ${o.changes} --ranges ${o.ranges}`;
  return `--seed ${o.seed} --seconds ${o.seconds} ${size}${kinds}${how}`;
}

class Run {
  readonly #trial: Trial;
  readonly #options: Options;
  readonly #rng: SeededRng;
  readonly #vitals: Vitals;
  readonly #counts = new Map<Kind, number>();
  readonly #fromMs = performance.now();
  readonly #busy = new Busy();
  #rounds = 0;
  #minute = 0;

  constructor(trial: Trial, options: Options) {
    this.#trial = trial;
    this.#options = options;
    this.#rng = new SeededRng(options.seed ^ 0x5eed);
    this.#vitals = new Vitals(trial);
  }

  async run(): Promise<void> {
    await this.#vitals.check();
    if (this.#options.soak) await this.#trial.workload.fill();
    this.#vitals.begin();
    const minutes = setInterval(() => this.#tellMinute(), 60_000);
    try {
      if (this.#options.flap > 0) await this.#flap();
      else while (this.#leftMs() > BRIEF_MS && this.#trial.violations.length === 0) await this.#round();
    } finally {
      clearInterval(minutes);
      this.#vitals.end();
    }
  }

  /** Prints the outcome; true when something was wrong. */
  judge(): boolean {
    const { ledger, agreedMs, verdicts, workload } = this.#trial;
    this.#judgeMemory();
    const rate = (ledger.acknowledged * 1000) / Math.max(1, workload.ranMs);
    const counts = [...this.#counts].map(([kind, count]) => `${kind} ${count}`).join(', ');
    console.log(
      [
        `${this.#rounds} rounds; faults: ${counts || 'a split, again and again'}`,
        `changes: ${ledger.acknowledged} acknowledged (${round(rate)} a second while they were made), ${ledger.refused} refused, ${ledger.open} without an answer; answered in ${round(median(workload.answerMs))} ms, p99 ${round(percentile(workload.answerMs, 99))} ms; ${this.#trial.dots} dots seen on disks`,
        `looked at when all agreed: ${ledger.decided.must} changes that had to be there, ${ledger.decided.mustNot} that had not to, ${ledger.decided.open} that could be either`,
        `agreement after healing: median ${round(median(agreedMs) / 1000)} s, worst ${round(Math.max(0, ...agreedMs) / 1000)} s; told: ${verdicts.suspect} suspicions, ${verdicts.down} down, ${verdicts.leave} left`,
        `machine ${round(this.#busy.since() * 100, 0)} % busy`,
        `${this.#trial.violations.length} violations`,
      ].join('\n'),
    );
    return this.#trial.violations.length > 0;
  }

  async #round(): Promise<void> {
    const { soak, kinds } = this.#options;
    const drawn = kinds ?? this.#drawKinds();
    const bounds = soak ? SOAK_ROUND_MS : ROUND_MS;
    const lastsMs = Math.min(this.#leftMs(), bounds.min + this.#rng.unit() * (bounds.max - bounds.min));
    this.#rounds++;
    this.#trial.say(`round ${this.#rounds}, ${round(lastsMs / 1000)} s: ${drawn.join(' ')}`);
    const spared = soak ? this.#trial.fleet.boards.filter((_, i) => i % 3 === 0) : [];
    const faults = new Faults(
      this.#trial,
      drawn,
      spared.map(({ name }) => name),
    );
    this.#trial.workload.start();
    faults.begin();
    await sleep(lastsMs);
    await faults.heal();
    for (const [kind, count] of faults.counts) this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count);
    await this.#atRest(`round ${this.#rounds}`);
  }

  /** A split in 3 and 5 of 8, made and healed again and again. */
  async #flap(): Promise<void> {
    const names = this.#trial.fleet.boards.map(({ name }) => name);
    const one = names.filter((_, i) => i % 3 === 0);
    const cuts = split(
      one,
      names.filter((name) => !one.includes(name)),
    );
    this.#trial.workload.start();
    this.#trial.calm = false;
    this.#trial.networkSound = false;
    this.#trial.say(`${one.join(' ')} apart from the others every ${this.#options.flap} s, for as long`);
    while (this.#leftMs() > 0) {
      const heal = await this.#trial.network.cut(cuts);
      await sleep(this.#options.flap * 1000);
      await heal();
      this.#rounds++;
      if (this.#leftMs() > 0) await sleep(this.#options.flap * 1000);
    }
    await this.#atRest('the flapping');
  }

  /** All agree; nothing leaks; and while nothing is wrong, nobody is called down. */
  async #atRest(what: string): Promise<void> {
    if (!(await this.#trial.settle(what))) return;
    await this.#vitals.check();
    this.#trial.workload.start();
    await sleep(CALM_MS);
  }

  #drawKinds(): Kind[] {
    const drawn = KINDS.filter(() => this.#rng.below(2) === 0);
    return drawn.length > 0 ? drawn : [KINDS[this.#rng.below(KINDS.length)] as Kind];
  }

  #leftMs(): number {
    return this.#options.seconds * 1000 - (performance.now() - this.#fromMs);
  }

  #tellMinute(): void {
    const { ledger, agreedMs } = this.#trial;
    const [least, most] = this.#vitals.rss();
    const held = this.#vitals.holdings();
    const span = (values: readonly number[]): string => `${Math.min(...values)}-${Math.max(...values)}`;
    const last = agreedMs.at(-1);
    console.log(
      [
        `minute ${++this.#minute}: RSS ${round(least)}-${round(most)} MB`,
        `at rest ${span(held.map((h) => h.fds))} fds, ${span(held.map((h) => h.sockets))} sockets, ${span(held.map((h) => h.timers))} timers`,
        `${ledger.acknowledged} changes acknowledged`,
        `${this.#rounds} rounds, ${last === undefined ? 'no agreement asked for yet' : `all agreed ${round(last / 1000)} s after the last (worst ${round(Math.max(...agreedMs) / 1000)} s)`}`,
        `${this.#trial.violations.length} violations`,
      ].join('; '),
    );
  }

  #judgeMemory(): void {
    const judged = this.#vitals.memory();
    for (const { name, fromMb, riseMb, minutes } of judged) {
      const text = `${name}: ${round(fromMb)} MB, over the next ${round(minutes)} minutes ${riseMb >= 0 ? '+' : ''}${round(riseMb, 2)} MB`;
      if (riseMb > RISE_MB) this.#trial.violate(`memory: ${text}`);
      else if (this.#options.soak) console.log(`memory flat: ${text}`);
    }
    if (this.#options.soak && judged.length === 0)
      console.log('memory: no process lived for the fifteen minutes after which it is judged');
  }
}

atEnd();
main(process.argv.slice(2)).then(
  (exitCode) => {
    cleanUp();
    process.exit(exitCode);
  },
  (error) => {
    cleanUp();
    console.error(error instanceof BenchError ? `chaos: ${error.message}\n${USAGE}` : error);
    process.exit(error instanceof BenchError ? 2 : 1);
  },
);
