/**
 * The store on a small board, as far as a control group makes one: `npm run bench -- store-board [--memory 128] [--cpu 100] [--store 20]
 * [--clients 1000]` (MB, percent of a core, MB for messages). Root. An agent within the group, a copy of node inside as in `cgroup`; many
 * clients that are connected and say nothing; messages until there is no room. It must say so as Redis does, read all of them back,
 * take more when some are deleted, stay within the memory, and never be taken for dead by the other member.
 */
import { join } from 'node:path';
import { Refused } from '../../src/cli/bench/socket.ts';
import { ErrorReply } from '../../src/cli/bench/values.ts';
import { Agents, agree } from './agents.ts';
import { Args } from './args.ts';
import { ControlGroup, countDowns } from './cgroup.ts';
import { memoryOf, until } from './proc.ts';
import { aim, round } from './stats.ts';
import { portOf, processOfAgent, StoreServer } from './store-systems.ts';

export const what = 'the store within 128 MB: full, said so, served on, with 1,000 clients connected';
export const quick = false;

const BATCH = 500;
const VALUE = 'x'.repeat(100);
const READY_LIMIT_MS = 120_000;
const AGREE_LIMIT_MS = 60_000;

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['memory', 'cpu', 'store', 'clients']);
  const memoryMb = given.number('memory', 128);
  const group = ControlGroup.make(memoryMb, given.number('cpu', 100));
  const agents = new Agents();
  const multicast = agents.multicast();
  const other = agents.spawn({ name: 'other', multicast });
  const node = join(agents.dir, 'node');
  const board = agents.spawn({
    name: 'board',
    multicast,
    flags: ['--store-memory', String(given.number('store', 20)), '--range', '0-0xffffffff'],
    launcher: [...group.launcher(node), node],
  });
  await until('the board is ready', () => !Number.isNaN(board.readyMs), READY_LIMIT_MS);
  await until('the two agree', () => agree([other, board]), AGREE_LIMIT_MS, 250);
  const process = processOfAgent(board);
  const server = new StoreServer('shoal', board.dataDir, await portOf(board), board.readyMs, process);
  await until('it serves', async () => (await server.ask('PING')) === 'PONG', READY_LIMIT_MS, 250);
  const idle = await connected(server, given.number('clients', 1000));
  const { keys, error } = await fillUp(server);
  const full = memoryOf(board.pid).rssMb;
  const wrong = await readBack(server, keys);
  const deleted = Math.floor(keys / 2);
  for (let from = 0; from < deleted; from += BATCH)
    await server.askAll(range(from, Math.min(from + BATCH, deleted)).map((i) => ['DEL', keyOf(i)]));
  const again = await until('it takes messages again', () => takes(server), READY_LIMIT_MS, 250).then(
    () => true,
    () => false,
  );
  const alive = (await Promise.all(idle.map((socket) => socket.ask(['PING'])))).every(
    (text) => text === 'PONG',
  );
  for (const socket of idle) socket.close();
  const downs = await countDowns([other]);
  console.log(
    `${keys} messages of ${VALUE.length} bytes until '${error}'; RSS then ${round(full)} MB, ${round(memoryOf(board.pid).rssMb)} at the end; ${group.describe()}`,
  );
  await agents.stopAll();
  group.remove();
  return [
    aim(`it says that it is full, as Redis does ('${error}')`, error.startsWith('OOM command not allowed')),
    aim(`all ${keys} messages are there (${wrong} wrong)`, wrong === 0),
    aim('it takes messages again when half are deleted', again),
    aim(`${idle.length} clients that said nothing are served`, alive),
    aim(`nothing was killed for memory (${group.killed})`, group.killed === 0),
    aim(`nobody called it down (${downs})`, downs === 0),
  ].every(Boolean);
}

const keyOf = (i: number): string => `key:${String(i).padStart(12, '0')}`;

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

async function connected(server: StoreServer, count: number) {
  const sockets: Awaited<ReturnType<StoreServer['connect']>>[] = [];
  while (sockets.length < count) sockets.push(await server.connect());
  return sockets;
}

/** SETs until one is refused. */
async function fillUp(server: StoreServer): Promise<{ keys: number; error: string }> {
  for (let from = 0; ; from += BATCH) {
    const answers = await server.askAll(range(from, from + BATCH).map((i) => ['SET', keyOf(i), VALUE]));
    const refused = answers.findIndex((answer) => answer instanceof ErrorReply);
    if (refused >= 0) return { keys: from + refused, error: (answers[refused] as ErrorReply).text };
  }
}

async function readBack(server: StoreServer, keys: number): Promise<number> {
  let wrong = 0;
  for (let from = 0; from < keys; from += BATCH) {
    const answers = await server.askAll(
      range(from, Math.min(from + BATCH, keys)).map((i) => ['GET', keyOf(i)]),
    );
    wrong += answers.filter((answer) => answer !== VALUE).length;
  }
  return wrong;
}

async function takes(server: StoreServer): Promise<boolean> {
  try {
    return (await server.ask('SET', 'again', VALUE)) === 'OK';
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}
