import { fuzz, TARGETS } from './fuzz.ts';

/** `npm run fuzz -- --minutes N [--seed S] [--target NAME]`: random and mutated bytes at every decoder. */
function main(args: readonly string[]): number {
  const flags = new Map<string, string>();
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i] as string;
    if (!['--minutes', '--seconds', '--seed', '--target'].includes(name) || args[i + 1] === undefined) {
      console.error(
        `usage: npm run fuzz -- [--minutes N | --seconds N] [--seed S] [--target ${[...TARGETS.keys()].join('|')}]`,
      );
      return 2;
    }
    flags.set(name, args[i + 1] as string);
  }
  const seconds = Number(flags.get('--seconds') ?? Number(flags.get('--minutes') ?? 1) * 60);
  const seed = Number(flags.get('--seed') ?? Date.now() % 0x7fffffff);
  const only = flags.get('--target');
  const names = only === undefined ? [...TARGETS.keys()] : [only];
  if (!(seconds > 0) || !Number.isInteger(seed) || names.some((name) => !TARGETS.has(name))) {
    console.error(
      'fuzz: --seconds and --minutes take a positive number, --seed a whole one, --target a name of the list',
    );
    return 2;
  }
  let failed = 0;
  for (const name of names) {
    const result = fuzz(name, seed, (seconds * 1000) / names.length);
    if (result.failure === null) {
      console.log(`ok   ${name}: ${result.inputs} inputs, ${result.accepted} accepted, seed ${seed}`);
      continue;
    }
    failed++;
    console.log(`FAIL ${name}: ${result.failure}`);
    console.log(`     input ${result.input}`);
    console.log(`     again: npm run fuzz -- --target ${name} --seed ${seed} --seconds ${seconds}`);
  }
  console.log(`${names.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
