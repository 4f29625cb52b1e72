/**
 * What agreement costs: `npm run bench -- sync [--registrations 20000] [--no-processes]`. First on machine objects over a
 * perfect link, every byte counted both ways (datagram payloads; frames with their length): comparing equal states,
 * settling d differences, joining empty. Then with real processes: the time of a node that joins empty.
 */
import { type Agent, Agents, agree } from './agents.ts';
import { Args } from './args.ts';
import { Pipe } from './pipe.ts';
import { until } from './proc.ts';
import { aim, median, round, table } from './stats.ts';
import {
  bytesOf,
  comparisonCost,
  differenceCost,
  equalPair,
  History,
  joinCost,
  type Kind,
} from './sync-lab.ts';

export const what =
  'comparing 20,000 equal registrations, settling differences, joining empty: bytes and time';
export const quick = true;

const KINDS: readonly Kind[] = ['adds', 'releases', 'both'];
const COUNTS = [1, 10, 100, 1000] as const;
const JOIN_SECONDS = 2;
const JOINS = 5;

/** Bytes that d differences may cost. */
export function allowedBytes(differences: number): number {
  return 2048 + 100 * differences;
}

export async function run(args: string[]): Promise<boolean> {
  const given = new Args(args, ['registrations', 'no-processes']);
  const registrations = given.number('registrations', 20_000);
  let met = true;
  for (const actors of [1, 100]) met = simulated(actors, registrations) && met;
  if (!given.has('no-processes')) met = (await real(registrations)) && met;
  return met;
}

function simulated(actors: number, registrations: number): boolean {
  const history = new History(actors, actors, registrations);
  const joined = joinCost(history, 7);
  const lab = equalPair(history, 7);
  const equal = comparisonCost(lab);
  const rows: string[][] = [];
  let met = true;
  for (const kind of KINDS) {
    for (const count of COUNTS) {
      const sent = differenceCost(lab, history, count, kind);
      const bytes = bytesOf(sent);
      met = bytes <= allowedBytes(count) && met;
      const cells = [
        `${count} ${kind}`,
        `${sent.datagrams}`,
        `${sent.frames}`,
        `${bytes}`,
        `${allowedBytes(count)}`,
      ];
      rows.push([...cells, round((bytes - 2048) / count)]);
    }
  }
  const head = ['differences', 'datagrams', 'frames', 'bytes', 'allowed', '(bytes - 2 KB) each'];
  console.log(`\n${registrations} registrations by ${actors} actor${actors === 1 ? '' : 's'}`);
  console.log(table([head, ...rows]));
  return [
    aim(
      `equal states compared in at most 2 datagrams and 128 bytes (${equal.datagrams}, ${bytesOf(equal)})`,
      equal.datagrams <= 2 && equal.frames === 0 && bytesOf(equal) <= 128,
    ),
    aim('d differences in at most 2 KB + 100 d bytes', met),
    aim(
      `a node joining empty: at most 600 KB (${round(bytesOf(joined) / 1024)})`,
      bytesOf(joined) <= 600 * 1024,
    ),
  ].every(Boolean);
}

async function real(registrations: number): Promise<boolean> {
  const agents = new Agents();
  const first = agents.spawn({ name: 'full', multicast: null });
  const { gossip } = await first.ready;
  await fill(first, registrations);
  const seconds: number[] = [];
  for (let i = 0; i < JOINS; i++) {
    const agent = agents.spawn({ name: `empty${i}`, multicast: null, flags: ['--join', gossip] });
    await agent.ready;
    const all = async (): Promise<boolean> => {
      const { ranges } = await agent.ask<{ ranges: { registrations: number } }>('/v1/status');
      return ranges.registrations === registrations;
    };
    await until('the node that joined has everything', all, 30_000, 5);
    seconds.push((performance.now() - agent.startedMs) / 1000);
    await until('it agrees', () => agree([first, agent]), 10_000, 20);
    const pipe = new Pipe(agent.socket);
    await pipe.call('POST', '/v1/leave').catch(() => {});
    pipe.close();
    await agent.ended;
  }
  await agents.stopAll();
  console.log('');
  const text = `real processes: a node joining empty has ${registrations} registrations in under ${JOIN_SECONDS} s of its start`;
  return aim(
    `${text} (median ${round(median(seconds), 2)}, worst ${round(Math.max(...seconds), 2)})`,
    Math.max(...seconds) < JOIN_SECONDS,
  );
}

async function fill(agent: Agent, registrations: number): Promise<void> {
  const pipe = new Pipe(agent.socket);
  const width = Math.floor(2 ** 32 / registrations);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < registrations) {
      const start = next++ * width;
      const { status } = await pipe.call('PUT', '/v1/ranges', { start, end: start + width - 1, priority: 1 });
      if (status !== 200) throw new Error(`PUT /v1/ranges: ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 64 }, work));
  pipe.close();
}
