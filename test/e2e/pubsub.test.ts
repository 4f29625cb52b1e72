import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox, type TestAgent } from './harness.ts';
import { type Reply, StoreClient } from './store-client.ts';

const MESSAGES = 10_000;
/** They go out as fast as they are answered: on a busy machine that takes its time. */
const SENT_WITHIN_MS = 60_000;

async function trio(sandbox: Sandbox, multicast: boolean): Promise<[TestAgent, TestAgent, TestAgent]> {
  const [first, ...others] = ['a', 'b', 'c'];
  const a = await sandbox.start({ name: first as string, multicast, flags: ['--store', 'memory'] });
  const join = ['--store', 'memory', '--join', a.ready.gossip as string];
  const rest = await Promise.all(others.map((name) => sandbox.start({ name, multicast, flags: join })));
  const agents = [a, ...rest] as [TestAgent, TestAgent, TestAgent];
  await agreement(agents);
  return agents;
}

const respOf = (agent: TestAgent): string => agent.ready.resp as string;
const proxyOf = (agent: TestAgent): string => agent.ready.proxy as string;

/** One figure of `/metrics`. */
async function figure(agent: TestAgent, name: string, what: string): Promise<number> {
  const response = await fetch(`http://${agent.ready.http}/metrics`);
  const line = (await response.text()).split('\n').find((one) => one.startsWith(`${name}{what="${what}"}`));
  return Number(line?.split(' ')[1]);
}

/** The messages that came, of channel messages of either kind. */
const texts = (pushed: readonly Reply[]): Reply[] => pushed.map((one) => (one as Reply[]).at(-1) as Reply);

for (const multicast of [true, false]) {
  test(`what is published on one node comes to subscribers on all, ${multicast ? 'by multicast' : 'by the tree'}`, async () => {
    await using sandbox = new Sandbox();
    const [a, b, c] = await trio(sandbox, multicast);
    const channel = await StoreClient.connect(respOf(b));
    const pattern = await StoreClient.connect(proxyOf(c));
    const own = await StoreClient.connect(respOf(a));
    expect(await channel.ask('SUBSCRIBE', 'news', 'other')).toEqual(['subscribe', 'news', 1]);
    expect(await pattern.ask('HELLO', 3)).toBeInstanceOf(Array);
    expect(await pattern.ask('PSUBSCRIBE', 'n?ws')).toEqual(['psubscribe', 'n?ws', 1]);
    expect(await own.ask('SUBSCRIBE', 'news')).toEqual(['subscribe', 'news', 1]);
    const large = 'x'.repeat(100_000);
    const said = ['one', large, 'three', 'a\0\r\n\xff'];
    for (const [i, text] of said.entries()) {
      const sender = await StoreClient.connect(i % 2 === 0 ? respOf(a) : proxyOf(a));
      expect(await sender.ask('PUBLISH', 'news', text)).toBe(1);
      sender.close();
    }
    // The large one takes another way.
    for (const client of [channel, pattern, own]) {
      const count = client === channel ? said.length + 1 : said.length;
      await eventually(
        `all came to ${client === own ? 'its own node' : 'others'}`,
        () => client.pushed.length >= count,
      );
    }
    expect(channel.pushed.shift()).toEqual(['subscribe', 'other', 2]);
    expect(texts(channel.pushed).sort()).toEqual([...said].sort());
    expect(texts(pattern.pushed).sort()).toEqual([...said].sort());
    expect(texts(own.pushed)).toEqual(said);
    expect(channel.pushed).toContainEqual(['message', 'news', 'one']);
    expect(pattern.pushed).toContainEqual(['pmessage', 'n?ws', 'news', 'one']);
    // As in Redis Cluster, each node tells of its own clients.
    const asked = await StoreClient.connect(respOf(c));
    expect(await asked.ask('PUBSUB', 'NUMSUB', 'news')).toEqual(['news', 0]);
    expect(await asked.ask('PUBSUB', 'CHANNELS')).toEqual([]);
    expect(await asked.ask('PUBSUB', 'NUMPAT')).toBe(1);
    expect(String(await asked.ask('PUBLISH', 'news', 'x'.repeat(1_000_001)))).toContain(
      'too long for the group',
    );
    for (const client of [channel, pattern, own, asked]) client.close();
  });

  test(`ten thousand messages at once all come, once each, and disturb nobody, ${multicast ? 'by multicast' : 'by the tree'}`, async () => {
    await using sandbox = new Sandbox();
    const agents = await trio(sandbox, multicast);
    const [a, b, c] = agents;
    const subscribers = await Promise.all([b, c].map((agent) => StoreClient.connect(respOf(agent))));
    for (const client of subscribers) await client.ask('SUBSCRIBE', 'flood');
    const sender = await StoreClient.connect(respOf(a));
    const said = Array.from({ length: MESSAGES }, (_, i) => String(i).padEnd(100, '.'));
    const answers = await Promise.all(said.map((text) => sender.ask('PUBLISH', 'flood', text)));
    expect(new Set(answers)).toEqual(new Set([0]));
    const settled = async (): Promise<boolean> => (await figure(a, 'shoal_pending', 'publications')) === 0;
    await eventually('all were sent', settled, SENT_WITHIN_MS);
    const dropped = await figure(a, 'shoal_publications_total', 'dropped');
    expect(dropped).toBe(0);
    for (const [i, client] of subscribers.entries()) {
      await eventually('all came', () => client.pushed.length >= MESSAGES, SENT_WITHIN_MS);
      const came = texts(client.pushed).map((text) => Number.parseInt(String(text), 10));
      expect([...came].sort((one, other) => one - other)).toEqual(said.map((_, at) => at));
      // What a busy machine lost, and got again too late to be put in its place, is counted.
      let last = -1;
      const late = came.filter((at) => {
        last = Math.max(last, at);
        return at < last;
      });
      const agent = agents[i + 1] as TestAgent;
      expect(late.length).toBe(await figure(agent, 'shoal_publications_total', 'outOfOrder'));
      expect(await figure(agent, 'shoal_publications_total', 'arrived')).toBe(MESSAGES);
    }
    for (const agent of agents) expect(await figure(agent, 'shoal_detection_total', 'suspicions')).toBe(0);
    for (const client of [...subscribers, sender]) client.close();
  });
}
