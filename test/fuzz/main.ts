/**
 * `npm run fuzz -- --minutes N`: changed inputs at every decoder (targets/index.ts), from the checked-in corpus on. The time
 * is shared out evenly. An input that fails is saved and printed with the command that repeats it; the program ends with 1.
 * `--grow` searches for inputs that reach new code instead, by V8's block coverage, and writes the corpus.
 */
import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readCorpus, writeCorpus } from './corpus.ts';
import { grow } from './coverage.ts';
import { type FuzzResult, fuzz } from './engine.ts';
import { TARGETS } from './targets/index.ts';

const CRASHES = 'fuzz-crashes';
const NAMES = Object.keys(TARGETS);
const USAGE = `usage: npm run fuzz -- [--minutes N | --seconds N | --inputs N] [--seed S] [--target NAME] [--jobs N] [--grow] [--input FILE]
  --inputs N   that many for each target, however long it takes
  --jobs N     processes; they share the targets' time, with different seeds
  --grow       look for inputs that reach new code, and write them to test/fuzz/corpus
  --input FILE feed one input, as saved by a run that failed; with --target
targets: ${NAMES.join(' ')}`;

class UsageError extends Error {}

interface Plan {
  readonly names: readonly string[];
  readonly secondsEach: number;
  readonly most: number;
  readonly seed: number;
  readonly jobs: number;
}

function read() {
  try {
    return parseArgs({
      options: {
        minutes: { type: 'string' },
        seconds: { type: 'string' },
        inputs: { type: 'string' },
        seed: { type: 'string' },
        target: { type: 'string' },
        jobs: { type: 'string', default: '1' },
        grow: { type: 'boolean', default: false },
        input: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
type Values = ReturnType<typeof read>;

function number(
  values: Values,
  name: 'minutes' | 'seconds' | 'inputs' | 'seed' | 'jobs',
  least: number,
): number {
  const value = Number(values[name]);
  if (values[name] === '' || !(value >= least && value <= 1e12)) {
    throw new UsageError(`--${name}: '${values[name]}' is not a number from ${least} on`);
  }
  return value;
}

function planOf(values: Values): Plan {
  const { target } = values;
  if (target !== undefined && TARGETS[target] === undefined) throw new UsageError(`no target '${target}'`);
  const names = target === undefined ? NAMES : [target];
  const seconds =
    values.seconds !== undefined
      ? number(values, 'seconds', 0.1)
      : 60 * (values.minutes === undefined ? 1 : number(values, 'minutes', 0.01));
  const most = values.inputs === undefined ? Infinity : number(values, 'inputs', 1);
  return {
    names,
    secondsEach: most === Infinity ? seconds / names.length : Infinity,
    most,
    seed: values.seed === undefined ? Date.now() % 0x7fffffff : Math.floor(number(values, 'seed', 0)),
    jobs: Math.floor(number(values, 'jobs', 1)),
  };
}

/** One target; true when it held. */
async function runOne(name: string, plan: Plan, seed: number): Promise<FuzzResult> {
  const target = (TARGETS[name] as () => ReturnType<(typeof TARGETS)[string]>)();
  const from = performance.now();
  const forMs = plan.secondsEach * 1000;
  const result = await fuzz(target, { seed, corpus: readCorpus(name), forMs, most: plan.most });
  const seconds = (performance.now() - from) / 1000;
  const rate = Math.round(result.inputs / seconds);
  const megabytes = Math.round(process.memoryUsage().rss / 2 ** 20);
  const figures = `${result.inputs} inputs, ${rate} a second, ${result.accepted} accepted, ${result.words} outcomes, ${megabytes} MB`;
  console.log(`${result.failure === null ? 'ok  ' : 'FAIL'} ${name}: ${figures}, seed ${seed}`);
  if (result.failure !== null && result.input !== null) report(name, result.failure, result.input);
  return result;
}

function report(name: string, failure: string, input: Uint8Array): void {
  mkdirSync(CRASHES, { recursive: true });
  const path = `${CRASHES}/${name}-${Date.now()}`;
  writeFileSync(path, input);
  const hex = Buffer.from(input).toString('hex');
  console.log(`     ${failure}`);
  console.log(`     input ${hex.length > 2000 ? `${hex.slice(0, 2000)}...` : hex}`);
  console.log(`     saved in ${path}; again: npm run fuzz -- --target ${name} --input ${path}`);
}

/** All targets of the plan, one after another. */
async function runHere(plan: Plan, seed: number): Promise<{ inputs: number; failed: number }> {
  let inputs = 0;
  let failed = 0;
  for (const name of plan.names) {
    const result = await runOne(name, plan, seed);
    inputs += result.inputs;
    if (result.failure !== null) failed++;
  }
  return { inputs, failed };
}

/** As many processes: each runs all targets with a seed of its own, for the whole time. */
async function runJobs(plan: Plan): Promise<{ inputs: number; failed: number }> {
  const jobs = Array.from({ length: plan.jobs }, (_, i) => {
    return new Promise<{ inputs: number; failed: number }>((resolve, reject) => {
      const args = process.argv
        .slice(2)
        .flatMap((arg, at, all) =>
          arg === '--jobs' || all[at - 1] === '--jobs' || arg.startsWith('--jobs=') ? [] : [arg],
        );
      const child = fork(process.argv[1] as string, [...args, '--seed', String(plan.seed + i)], {
        env: { ...process.env, SHOAL_FUZZ_JOB: '1' },
      });
      let sum: { inputs: number; failed: number } | null = null;
      child.on('message', (message) => {
        sum = message as { inputs: number; failed: number };
      });
      child.on('error', reject);
      child.on('exit', (code) => {
        if (sum === null) reject(new Error(`job ${i} ended with ${code} before it had a result`));
        else resolve(sum);
      });
    });
  });
  const sums = await Promise.all(jobs);
  return {
    inputs: sums.reduce((all, { inputs }) => all + inputs, 0),
    failed: sums.reduce((all, { failed }) => all + failed, 0),
  };
}

async function growAll(plan: Plan): Promise<number> {
  for (const name of plan.names) {
    const old = readCorpus(name);
    const make = TARGETS[name] as (typeof TARGETS)[string];
    const { corpus, inputs, steps } = await grow(make, old, 'fuzz.cjs', plan.seed, plan.secondsEach * 1000);
    writeCorpus(name, corpus);
    console.log(
      `${name}: ${inputs} inputs, ${steps} parts of the program reached; ${old.length} inputs in the corpus before, ${corpus.length} now`,
    );
  }
  return 0;
}

async function feedOne(name: string | undefined, path: string): Promise<number> {
  const make = name === undefined ? undefined : TARGETS[name];
  if (make === undefined) throw new UsageError('--input wants the --target that it is for');
  const target = make();
  for (const seed of target.seeds()) await target.feed(seed.slice());
  console.log(`${name}: '${await target.feed(Uint8Array.from(readFileSync(path)))}'`);
  await target.close?.();
  return 0;
}

async function main(): Promise<number> {
  const values = read();
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.input !== undefined) return feedOne(values.target, values.input);
  const plan = planOf(values);
  if (values.grow) return growAll(plan);
  const isJob = process.env.SHOAL_FUZZ_JOB !== undefined;
  const from = performance.now();
  const sum = plan.jobs > 1 && !isJob ? await runJobs(plan) : await runHere(plan, plan.seed);
  if (isJob) process.send?.(sum);
  else {
    const rate = Math.round(sum.inputs / ((performance.now() - from) / 1000));
    const runs = plan.names.length * plan.jobs;
    console.log(`${sum.inputs} inputs, ${rate} a second; ${runs - sum.failed} passed, ${sum.failed} failed`);
  }
  return sum.failed === 0 ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const usage = error instanceof UsageError;
    console.error(usage ? `fuzz: ${error.message}\n${USAGE}` : error);
    process.exitCode = usage ? 2 : 1;
  },
);
