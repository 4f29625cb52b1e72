/**
 * The simulator's command line: `npm run sim -- --nodes 500 --loss 20 --seed 7`. One run prints what happened; `--runs N`
 * runs the seeds from `--seed` on (scenario `faults` unless another is named). A failing run prints its seed and the
 * command to repeat it, and the program ends with 1; bad usage ends with 2.
 */
import { parseArgs } from 'node:util';
import { add as addBatch, type Batch, type BatchResult, runBatch, runMany } from './jobs.ts';
import { MUTANTS } from './mutants.ts';
import { reportText } from './report.ts';
import { SCENARIOS, type Settings } from './scenarios/index.ts';

const OPTIONS = {
  scenario: { type: 'string' },
  nodes: { type: 'string' },
  loss: { type: 'string', default: '0' },
  delay: { type: 'string', default: '1' },
  jitter: { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
  runs: { type: 'string' },
  jobs: { type: 'string', default: '1' },
  seconds: { type: 'string' },
  domains: { type: 'string', default: '0' },
  changes: { type: 'string', default: '50' },
  partition: { type: 'string', default: '0' },
  mutant: { type: 'string', default: 'deaf' },
  verbose: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  worker: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

class UsageError extends Error {}

function read() {
  try {
    return parseArgs({ options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
  }
}
type Values = ReturnType<typeof read>;

function number(values: Values, name: keyof Values, least: number, most: number): number {
  const value = Number(values[name]);
  if (!Number.isFinite(value) || value < least || value > most) {
    throw new UsageError(`--${name}: '${values[name]}' is not a number from ${least} to ${most}`);
  }
  return value;
}

function settingsOf(values: Values): Settings {
  if (MUTANTS[values.mutant] === undefined) {
    throw new UsageError(`--mutant: one of ${Object.keys(MUTANTS).join(', ')}, not '${values.mutant}'`);
  }
  const optional = (name: 'nodes' | 'seconds', most: number) =>
    values[name] === undefined ? null : number(values, name, 1, most);
  return {
    seed: number(values, 'seed', 0, 2 ** 32 - 1),
    nodes: optional('nodes', 10_000),
    loss: number(values, 'loss', 0, 95),
    delay: number(values, 'delay', 0, 10_000),
    jitter: number(values, 'jitter', 0, 10_000),
    seconds: optional('seconds', 1e8),
    domains: number(values, 'domains', 0, 1000),
    changes: number(values, 'changes', 0, 1e6),
    partition: number(values, 'partition', 0, 1e8),
    mutant: values.mutant,
    log: values.verbose ? (line) => console.log(line) : null,
    progress: values.json || !process.stderr.isTTY ? null : (text) => process.stderr.write(`\r${text}   `),
  };
}

function usage(): string {
  const lines = ['npm run sim -- [--scenario NAME] [options]', '', 'scenarios:'];
  for (const [name, { what }] of Object.entries(SCENARIOS)) lines.push(`  ${name.padEnd(10)} ${what}`);
  lines.push(
    '',
    'options: --nodes N --loss PERCENT --delay MS --jitter MS --seconds S --domains N --changes N --partition S',
    '         --seed N --runs N --jobs N --verbose --json --mutant NAME',
  );
  return lines.join('\n');
}

/** The flags that make a run, for the line that repeats it. */
function repeatCommand(scenario: string, seed: number, values: Values): string {
  const flags = [`--scenario ${scenario}`, `--seed ${seed}`];
  for (const name of ['nodes', 'seconds'] as const) {
    if (values[name] !== undefined) flags.push(`--${name} ${values[name]}`);
  }
  for (const name of ['loss', 'delay', 'jitter', 'domains', 'changes', 'partition', 'mutant'] as const) {
    if (values[name] !== OPTIONS[name].default) flags.push(`--${name} ${values[name]}`);
  }
  return `npm run sim -- ${flags.join(' ')}`;
}

function runOne(scenario: string, settings: Settings, values: Values): number {
  const found = SCENARIOS[scenario];
  if (found === undefined) throw new UsageError(`no scenario '${scenario}': see --help`);
  const startMs = performance.now();
  const run = found.run(settings);
  settings.progress?.('\r');
  const repeat = repeatCommand(scenario, run.seed, values);
  if (values.json) console.log(JSON.stringify({ scenario, repeat, ...run }));
  else console.log(reportText(scenario, run, repeat, performance.now() - startMs));
  return run.violations.length > 0 ? 1 : 0;
}

async function runSeeds(scenario: string, settings: Settings, values: Values): Promise<number> {
  const count = number(values, 'runs', 1, 1e8);
  const jobs = number(values, 'jobs', 1, 64);
  const startMs = performance.now();
  let toldMs = 0;
  let told = 0;
  const progress = (sum: BatchResult): void => {
    // At once, so that a long search need not come to its end.
    for (const run of values.json ? [] : sum.failed.slice(told, 5)) {
      console.log(reportText(scenario, run, repeatCommand(scenario, run.seed, values), 0));
    }
    told = sum.failed.length;
    const nowMs = performance.now();
    if (values.json || nowMs - toldMs < (process.stderr.isTTY ? 500 : 15_000)) return;
    toldMs = nowMs;
    const rate = sum.done / ((nowMs - startMs) / 1000);
    const text = `${sum.done} of ${count} runs, ${sum.failed.length} failed, ${rate.toFixed(0)} a second`;
    process.stderr.write(process.stderr.isTTY ? `\r${text}   ` : `${text}\n`);
  };
  const program = { path: process.argv[1] as string, args: process.argv.slice(2) };
  const all = { fromSeed: settings.seed, count };
  const sum =
    jobs > 1
      ? await runMany(all, jobs, program, progress)
      : inBatches(all, oneOf(scenario, settings), progress);
  if (process.stderr.isTTY) process.stderr.write('\r');
  if (values.json) console.log(JSON.stringify({ scenario, ...sum }));
  else console.log(summaryText(scenario, sum, settings.seed, performance.now() - startMs));
  return sum.failed.length > 0 ? 1 : 0;
}

function oneOf(scenario: string, settings: Settings) {
  const found = SCENARIOS[scenario];
  if (found === undefined) throw new UsageError(`no scenario '${scenario}': see --help`);
  return (seed: number) => found.run({ ...settings, seed, log: null, progress: null });
}

function inBatches(
  all: Batch,
  one: Parameters<typeof runBatch>[1],
  progress: (sum: BatchResult) => void,
): BatchResult {
  let sum = runBatch({ fromSeed: all.fromSeed, count: 0 }, one);
  for (let done = 0; done < all.count && sum.failed.length < 10; done += 20) {
    const count = Math.min(20, all.count - done);
    sum = addBatch(sum, runBatch({ fromSeed: all.fromSeed + done, count }, one));
    progress(sum);
  }
  return sum;
}

function summaryText(scenario: string, sum: BatchResult, seed: number, wallMs: number): string {
  const faults = Object.entries(sum.faults)
    .sort()
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
  return [
    `${scenario}: ${sum.done} runs from seed ${seed}, ${sum.failed.length === 0 ? 'all held' : `${sum.failed.length} FAILED`}`,
    `  ${sum.changes} changes, ${sum.acknowledged} acknowledged; slowest agreement after healing ${Math.round(sum.slowestHealMs)} ms`,
    `  faults: ${faults || 'none'}`,
    `  ${(sum.virtualMs / 3_600_000).toFixed(1)} hours of simulated time, ${sum.events} events, in ${(wallMs / 1000).toFixed(0)} s`,
  ].join('\n');
}

/** A child of `runMany`: runs the batches it is sent until the parent hangs up. */
function serve(scenario: string, settings: Settings): void {
  const one = oneOf(scenario, settings);
  process.on('message', (batch: Batch) => process.send?.(runBatch(batch, one)));
}

async function main(): Promise<number | null> {
  const values = read();
  if (values.help) {
    console.log(usage());
    return 0;
  }
  const settings = settingsOf(values);
  const scenario = values.scenario ?? (values.runs === undefined ? 'spread' : 'faults');
  if (values.worker) {
    serve(scenario, settings);
    return null;
  }
  return values.runs === undefined
    ? runOne(scenario, settings, values)
    : runSeeds(scenario, settings, values);
}

main().then(
  (code) => {
    if (code !== null) process.exitCode = code;
  },
  (error: unknown) => {
    console.error(
      `sim: ${error instanceof UsageError ? error.message : error instanceof Error ? error.stack : error}`,
    );
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
