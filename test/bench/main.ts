/**
 * The bench: what shoal costs and how fast it is, measured on real processes (`spread`, `detect`, `board`, `kill9`, `store`) or on machine
 * objects with counted bytes (`sync`) and bare structures (`crdt`, `seal`). `npm run bench` lists them and runs the quick ones.
 *
 * Each bench prints a table, the machine and what else it needs to be read rightly; aims are stated and checked, and a
 * missed one makes the exit code 1. Whatever is started is gone afterwards, on Ctrl-C too (cleanup.ts).
 */
import { cpus, release } from 'node:os';
import { BenchError } from './args.ts';
import { atEnd, cleanUp } from './cleanup.ts';

interface Bench {
  readonly what: string;
  readonly quick: boolean;
  /** Resolves to false when an aim was missed. */
  run(args: string[]): Promise<boolean | undefined>;
}

const BENCHES: Record<string, () => Promise<Bench>> = {
  crdt: async () => {
    const { run } = await import('./crdt.ts');
    const what = 'the map: ns per mutation and join at 100 and 100,000 entries, beside npm delta-crdts';
    return { what, quick: true, run: async (args) => void (await run(args)) };
  },
  seal: () => import('./seal.ts'),
  sync: () => import('./sync.ts'),
  board: () => import('./board.ts'),
  cgroup: () => import('./cgroup.ts'),
  spread: () => import('./spread.ts'),
  kill9: () => import('./kill9.ts'),
  detect: () => import('./detect.ts'),
  store: () => import('./store.ts'),
  'store-threads': () => import('./store-threads.ts'),
  'store-durable': () => import('./store-durable.ts'),
  'store-pauses': () => import('./store-pauses.ts'),
  'store-board': () => import('./store-board.ts'),
  'store-hostile': () => import('./store-hostile.ts'),
};

/** Processes that benches start of this program. */
const PARTS: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  'store-server': () => import('./store-server.ts'),
  'store-probe': () => import('./store-probe.ts'),
};

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  const part = PARTS[name ?? ''];
  if (part !== undefined) {
    await (await part()).run(rest);
    return 0;
  }
  if (name !== undefined && BENCHES[name] === undefined) {
    console.error(`bench: there is no '${name}': there are ${Object.keys(BENCHES).join(', ')}`);
    return 2;
  }
  console.log(`node ${process.version}, linux ${release()}, ${cpus().length} x ${cpus()[0]?.model ?? 'cpu'}`);
  if (name !== undefined) return (await runOne(name, rest)) ? 0 : 1;
  let met = true;
  const later: string[] = [];
  for (const [each, load] of Object.entries(BENCHES)) {
    const bench = await load();
    if (bench.quick) met = (await runOne(each, [])) && met;
    else later.push(`  npm run bench -- ${each.padEnd(13)} ${bench.what}`);
  }
  console.log(`\nThose that take longer:\n${later.join('\n')}`);
  return met ? 0 : 1;
}

async function runOne(name: string, args: string[]): Promise<boolean> {
  const bench = await (BENCHES[name] as () => Promise<Bench>)();
  console.log(`\n== ${name}: ${bench.what}`);
  return (await bench.run(args)) !== false;
}

atEnd();
main(process.argv.slice(2)).then(
  (exitCode) => {
    cleanUp();
    process.exit(exitCode);
  },
  (error) => {
    cleanUp();
    console.error(error instanceof BenchError ? `bench: ${error.message}` : error);
    process.exit(error instanceof BenchError ? 2 : 1);
  },
);
