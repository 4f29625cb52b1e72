import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { PROGRAM, ROOT, Sandbox } from './harness.ts';

/** A program of somebody else that has shoal as a dependency. */
function consumer(sandbox: Sandbox, source: string): string {
  const dir = sandbox.path('consumer');
  mkdirSync(join(dir, 'node_modules/@types'), { recursive: true });
  symlinkSync(dirname(dirname(PROGRAM)), join(dir, 'node_modules/shoal'));
  symlinkSync(join(ROOT, 'node_modules/@types/node'), join(dir, 'node_modules/@types/node'));
  writeFileSync(join(dir, 'package.json'), '{ "name": "consumer", "type": "module", "private": true }');
  writeFileSync(join(dir, 'main.ts'), source);
  const compilerOptions = {
    target: 'ES2023',
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    types: ['node'],
    outDir: 'out',
  };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
  return dir;
}

function compile(dir: string): string {
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  return spawnSync(tsc, ['-p', dir], { encoding: 'utf8' }).stdout;
}

const PROGRAM_SOURCE = (flags: string): string => `
import { createAgent, type AgentOptions, type EventView, ShoalError } from 'shoal';

const common: AgentOptions = ${flags};
const options = (name: string): AgentOptions => ({ ...common, name, dataDir: name, ranges: [{ start: 0, end: 9 }] });
const a = createAgent(options('a'));
const b = createAgent(options('b'));
const seen: string[] = [];
const stopListening = b.on('range-priority', (event: EventView) => seen.push(event.type));
try {
  a.members();
} catch (error) {
  if (!(error instanceof ShoalError)) throw error;
  console.log('before start:', error.code);
}
await a.start();
await b.start();
const until = async (what: string, condition: () => boolean): Promise<void> => {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('not in time: ' + what);
    await new Promise((done) => setTimeout(done, 20));
  }
};
await until('two members', () => a.members().length === 2 && b.members().length === 2);
const entry = await a.increase({ start: 0, end: 9 }, 4);
console.log('increased:', entry?.priority);
await until('b sees it', () => b.owners(5)[0]?.priority === 5);
console.log('owners:', b.owners(5).map(({ name, priority }) => name + ':' + priority).join(' '));
console.log('of a key:', a.owners('some key').length);
console.log('events:', seen.join());
stopListening();
console.log('decreased:', await a.decrease({ start: 0, end: 9 }, 5));
await a.register({ start: 20, end: 29 });
await a.release({ start: 20, end: 29 });
try {
  await a.release({ start: 20, end: 29 });
} catch (error) {
  console.log('released twice:', (error as ShoalError).code);
}
console.log('listeners:', ['SIGTERM', 'SIGINT', 'SIGHUP', 'uncaughtException'].map((n) => process.listenerCount(n)).join());
await a.stop();
await a.stop();
await until('b lists a as left', () => b.members().some(({ name, status }) => name === 'a' && status === 'left'));
await b.stop();
console.log('done');
`;

test('a program that imports shoal type-checks, runs two agents, and ends by itself when they are stopped', async () => {
  await using sandbox = new Sandbox();
  const options = {
    cluster: sandbox.cluster,
    bind: '127.0.0.1:0',
    http: false,
    multicast: sandbox.multicast,
    interface: '127.0.0.1',
    probePeriod: 800,
    suspicionPeriods: 1.25,
    forgetAfter: 3600,
  };
  const dir = consumer(sandbox, PROGRAM_SOURCE(JSON.stringify(options)));
  expect(compile(dir)).toBe('');
  const { stdout, stderr, status } = spawnSync(process.execPath, ['out/main.js'], {
    cwd: dir,
    encoding: 'utf8',
    timeout: 30_000,
  });
  expect(stderr).toBe('');
  expect(stdout.trim().split('\n')).toEqual([
    'before start: not-running',
    'increased: 5',
    'owners: a:5 b:1',
    'of a key: 0',
    'events: range-priority',
    'decreased: null',
    'released twice: not-registered',
    'listeners: 0,0,0,0',
    'done',
  ]);
  expect(status).toBe(0);
});

test('the types refuse what the library would', async () => {
  await using sandbox = new Sandbox();
  const dir = consumer(
    sandbox,
    `
import { createAgent } from 'shoal';
createAgent({ nmae: 'x' });
createAgent({ ranges: [{ start: '0', end: 1 }] });
createAgent({ probePeriod: '800' });
createAgent().on('no-such-event', () => {});
`,
  );
  const lines = compile(dir)
    .split('\n')
    .filter((line) => line.includes('error TS'));
  expect(lines.map((line) => /main\.ts\((\d+),/.exec(line)?.[1])).toEqual(['3', '4', '5', '6']);
});
