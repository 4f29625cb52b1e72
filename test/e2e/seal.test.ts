import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { agreement, eventually, Sandbox, shoal, type TestAgent } from './harness.ts';

const NAMES = ['quartz-a', 'quartz-b', 'quartz-c'];
const isRoot = process.getuid?.() === 0;

async function newKey(): Promise<string> {
  return (await shoal(['keygen'])).stdout.trim();
}

function keyFile(sandbox: Sandbox, name: string, keys: readonly string[]): string {
  const path = sandbox.path(name);
  writeFileSync(path, `${keys.join('\n')}\n`);
  chmodSync(path, 0o600);
  return path;
}

function start(sandbox: Sandbox, name: string, keys: string | null, flags: string[] = []) {
  return sandbox.start({ name, flags: [...(keys === null ? [] : ['--key-file', keys]), ...flags] });
}

interface Key {
  readonly id: string;
  readonly primary: boolean;
}

/** Until its keyring of this many keys is on its disk: what it tells of its keys is a moment earlier. */
function saved(agent: TestAgent, keys: number): Promise<unknown> {
  return eventually(
    `${agent.name} has saved ${keys} keys`,
    () => statSync(join(agent.dataDir, 'keyring')).size === 20 + 47 * keys,
  );
}

/** Ids, the primary first. */
async function ids(agent: TestAgent): Promise<string> {
  return (await agent.get<{ keys: Key[] }>('/v1/keys')).keys.map(({ id }) => id).join(' ');
}

async function warnings(agent: TestAgent): Promise<string> {
  return (await agent.get<{ warnings: string[] }>('/v1/status')).warnings.join('\n');
}

const SNIFFER = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
s.bind(('lo', 0))
out = sys.stdout.buffer
out.write(b'ready'); out.flush()
while True:
    p, who = s.recvfrom(65535)
    if who[2] == socket.PACKET_OUTGOING: continue
    out.write(p); out.flush()
`;

/** Everything IPv4 on loopback, as bytes. */
class Capture {
  readonly #process: ChildProcess;
  readonly #chunks: Buffer[] = [];

  constructor() {
    this.#process = spawn('python3', ['-c', SNIFFER], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#process.stdout?.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  ready(): Promise<unknown> {
    return eventually('the capture runs', () => this.#chunks.length > 0);
  }

  async stop(): Promise<Buffer> {
    const ended = new Promise((done) => this.#process.once('close', done));
    this.#process.kill('SIGKILL');
    await ended;
    return this.bytes;
  }
}

/** A group that says its name in every way: discovery, a stream (join without multicast), changes, a farewell. */
async function life(sandbox: Sandbox, keys: string | null, word: string): Promise<void> {
  const tag = ['--tag', `z${word}=y${word}`];
  const [a, b] = [await start(sandbox, `${word}-a`, keys, tag), await start(sandbox, `${word}-b`, keys)];
  const flags = [...(keys === null ? [] : ['--key-file', keys]), '--join', a.ready.gossip];
  const c = await sandbox.start({ name: `${word}-c`, multicast: false, flags });
  await agreement([a, b, c]);
  await a.ok('register', '0', '99');
  await c.ok('register', '100', '199');
  await b.ok('converged', '--wait', '5');
  expect((await a.get<{ encrypted: boolean }>('/v1/status')).encrypted).toBe(keys !== null);
  await c.stop();
}

test.runIf(isRoot)(
  'a capture of a sealed group shows no name, tag, cluster or key; one of an unsealed group does',
  async () => {
    for (const sealed of [true, false]) {
      await using sandbox = new Sandbox();
      const key = await newKey();
      const capture = new Capture();
      await capture.ready();
      // Of its own: another group on this machine may talk at the same time.
      const word = randomBytes(6).toString('hex');
      await life(sandbox, sealed ? keyFile(sandbox, 'keys', [key]) : null, word);
      const bytes = await capture.stop();
      const shows = [`${word}-`, `z${word}`, `y${word}`, sandbox.cluster].map((text) => bytes.includes(text));
      expect(shows).toEqual([!sealed, !sealed, !sealed, !sealed]);
      expect(bytes.length).toBeGreaterThan(5000);
      expect(bytes.includes(key) || bytes.includes(Buffer.from(key, 'base64'))).toBe(false);
    }
  },
);

test('a rotation with one of three nodes off: it is back with the key that is left', async () => {
  await using sandbox = new Sandbox();
  const [k1, k2] = [await newKey(), await newKey()];
  const file = keyFile(sandbox, 'keys', [k1]);
  const [a, b, c] = (await Promise.all(NAMES.map((name) => start(sandbox, name, file)))) as [
    TestAgent,
    TestAgent,
    TestAgent,
  ];
  await agreement([a, b, c]);
  const first = await ids(a);
  await a.ok('keys', 'install', k2);
  const both = await ids(a);
  const second = both.split(' ')[1] as string;
  await eventually('the new key is everywhere', async () => (await ids(c)) === both);
  await saved(c, 2);
  await c.stop('SIGKILL');
  await a.ok('keys', 'use', second);
  await eventually('b uses it', async () => (await ids(b)) === `${second} ${first}`);
  await b.ok('keys', 'remove', first);
  await eventually('a has only the new one', async () => (await ids(a)) === second);
  await a.ok('register', '0', '99');
  // It holds both keys, its primary is gone, and its key file names that one only.
  const again = await start(sandbox, 'quartz-c', file);
  expect(again.ready.id).toBe(c.ready.id);
  await agreement([a, b, again]);
  await eventually('it has taken the change over', async () => (await ids(again)) === second);
  await eventually('and the map', async () => (await again.rangesOf('quartz-a')).join() === '0-99:1');
  expect(await warnings(again)).toContain(`key ${first} of the key file was removed`);
  // The ring outlives a restart of all.
  await Promise.all([a.stop(), b.stop(), again.stop()]);
  expect(await ids(await start(sandbox, 'quartz-a', file))).toBe(second);
});

test('one of five is off for all of a rotation: it is back while a key is common, else both sides say why and what to do', async () => {
  await using sandbox = new Sandbox();
  const [k1, k2, k3] = [await newKey(), await newKey(), await newKey()];
  const file = keyFile(sandbox, 'keys', [k1]);
  const names = ['a', 'b', 'c', 'd', 'e'].map((letter) => `quartz-${letter}`);
  const all = await Promise.all(names.map((name) => start(sandbox, name, file)));
  await agreement(all);
  const four = all.slice(0, 4);
  const [a, b] = four as [TestAgent, TestAgent];
  const off = all[4] as TestAgent;
  const everywhere = async (what: string, wanted: string): Promise<void> => {
    await eventually(
      what,
      async () => (await Promise.all(four.map(ids))).every((each) => each === wanted),
      5000,
    );
  };
  const first = await ids(a);
  await off.stop('SIGKILL');

  await a.ok('keys', 'install', k2);
  const second = (await ids(a)).split(' ')[1] as string;
  await everywhere('the second key is on all that run', `${first} ${second}`);
  await b.ok('keys', 'use', second);
  await everywhere('and used', `${second} ${first}`);
  await a.ok('register', '0', '99');
  const back = await start(sandbox, 'quartz-e', file);
  await agreement([...four, back]);
  await eventually('it uses the second key', async () => (await ids(back)) === `${second} ${first}`);
  await eventually(
    'and has the map',
    async () => (await back.rangesOf('quartz-a')).join() === '0-99:1',
    5000,
  );
  await saved(back, 2);
  await back.stop('SIGKILL');

  await a.ok('keys', 'install', k3);
  await eventually('the third key is on b', async () => (await ids(b)).split(' ').length === 3);
  const third = (await ids(b)).split(' ').find((id) => id !== first && id !== second) as string;
  await b.ok('keys', 'use', third);
  await eventually('and used on a', async () => (await ids(a)).startsWith(third));
  await a.ok('keys', 'remove', first);
  await a.ok('keys', 'remove', second);
  await everywhere('only the third key is left', third);
  const lost = await start(sandbox, 'quartz-e', file);
  const theirs = `(key ${second}`;
  const said = async (agent: TestAgent, what: string): Promise<boolean> =>
    (await warnings(agent)).includes(what);
  await eventually('it says so', () => said(lost, `(key ${third})`));
  await eventually('so does one that it talks to', async () =>
    (await Promise.all(four.map((one) => said(one, theirs)))).includes(true),
  );
  await eventually('both in their logs too', () => {
    const logged = ({ log }: TestAgent, key: string): boolean =>
      log.some(({ msg }) => msg.includes(`(key ${key}`) && msg.includes("'shoal keys install'"));
    return logged(lost, third) && four.some((one) => logged(one, second));
  });
  // What the message says to do.
  await lost.ok('keys', 'install', k3);
  await agreement([...four, lost]);
  await eventually('it has the ring of the others', async () => (await ids(lost)) === third);
  expect(await warnings(lost)).toContain(`key ${first} of the key file was removed`);
});

test('a key file changed on one board brings no key into the group; one with the new key lets a board in that was off', async () => {
  await using sandbox = new Sandbox();
  const [k1, k2, alien] = [await newKey(), await newKey(), await newKey()];
  const file = keyFile(sandbox, 'keys', [k1]);
  const [a, b, c] = (await Promise.all(NAMES.map((name) => start(sandbox, name, file)))) as [
    TestAgent,
    TestAgent,
    TestAgent,
  ];
  await agreement([a, b, c]);
  const first = await ids(a);
  await c.stop();
  const wrong = keyFile(sandbox, 'wrong', [alien]);
  const again = await start(sandbox, 'quartz-c', wrong);
  await agreement([a, b, again]);
  await a.ok('register', '0', '99');
  await eventually('it is in the group', async () => (await again.rangesOf('quartz-a')).length === 1);
  for (const agent of [a, b, again]) expect(await ids(agent)).toBe(first);
  const said = `of the key file ${wrong} is not in the group's keyring: it was not used; 'shoal keys install'`;
  expect(await warnings(again)).toContain(said);
  expect(again.log.some(({ msg }) => msg.includes(said))).toBe(true);
  await again.stop();

  await a.ok('keys', 'install', k2);
  const second = (await ids(a)).split(' ')[1] as string;
  await a.ok('keys', 'use', second);
  await a.ok('keys', 'remove', first);
  await eventually('b has only the new key', async () => (await ids(b)) === second);
  const back = await start(sandbox, 'quartz-c', keyFile(sandbox, 'new', [k2]));
  await agreement([a, b, back]);
  await eventually('it has the ring of the others', async () => (await ids(back)) === second);
  expect(await warnings(back)).not.toContain('key file');
  const learnt = new RegExp(
    `learnt from quartz-[ab], .*: added ${second}, removed ${first}, primary ${second}`,
  );
  expect(back.log.some(({ msg }) => learnt.test(msg))).toBe(true);
});

test('two halves that each took a key of their own while apart are one group when they meet, and nobody types anything', async () => {
  await using sandbox = new Sandbox();
  const [k1, k2, k3] = [await newKey(), await newKey(), await newKey()];
  const file = keyFile(sandbox, 'keys', [k1]);
  const names = ['a', 'b', 'c', 'd'].map((letter) => `quartz-${letter}`);
  const startAll = (some: readonly string[]) => Promise.all(some.map((name) => start(sandbox, name, file)));
  const all = await startAll(names);
  await agreement(all);
  const first = await ids(all[0] as TestAgent);
  /** One of a half takes a new key and makes it the primary, and both have it on disk. */
  const change = async (
    half: readonly TestAgent[],
    key: string,
    range: readonly string[],
  ): Promise<string> => {
    const [one, other] = half as [TestAgent, TestAgent];
    await agreement(half);
    await one.ok('keys', 'install', key);
    const taken = (await ids(one)).split(' ')[1] as string;
    await eventually('the other has it', async () => (await ids(other)) === `${first} ${taken}`);
    await other.ok('keys', 'use', taken);
    await eventually('and uses it', async () => (await ids(one)) === `${taken} ${first}`);
    await Promise.all(half.map((agent) => saved(agent, 2)));
    await one.ok('register', ...range);
    return taken;
  };
  await Promise.all(all.slice(2).map((agent) => agent.stop('SIGKILL')));
  const second = await change(all.slice(0, 2), k2, ['0', '99']);
  await Promise.all(all.slice(0, 2).map((agent) => agent.stop('SIGKILL')));
  const right = await startAll(names.slice(2));
  const third = await change(right, k3, ['100', '199']);
  const met = [...(await startAll(names.slice(0, 2))), ...right];
  await agreement(met);
  await eventually('all have one ring, with all that was used', async () => {
    const rings = await Promise.all(met.map(ids));
    if (new Set(rings).size > 1) throw new Error(rings.join(', '));
    return rings[0]?.split(' ').sort().join() === [first, second, third].sort().join();
  });
  expect([second, third]).toContain((await ids(met[0] as TestAgent)).split(' ')[0]);
  for (const agent of met) expect(await agent.rangesOf()).toEqual(['quartz-a 0-99:1', 'quartz-c 100-199:1']);
  await met[3]?.ok('converged', '--wait', '5');
  for (const agent of met) expect(await warnings(agent)).not.toContain('cannot talk');
});

test('without a common key a node stays out, and both sides say why', async () => {
  await using sandbox = new Sandbox();
  const [k1, k2] = [await newKey(), await newKey()];
  const a = await start(sandbox, 'quartz-a', keyFile(sandbox, 'one', [k1]));
  const flags = ['--join', a.ready.gossip];
  const lost = await start(sandbox, 'quartz-b', keyFile(sandbox, 'two', [k2]), flags);
  const [idA, idLost] = [await ids(a), await ids(lost)];
  await eventually('a says so', async () => (await warnings(a)).includes(`(key ${idLost})`));
  await eventually('the other says so', async () => (await warnings(lost)).includes(`(key ${idA})`));
  const { stderr, code } = await lost.verb('join', a.ready.gossip);
  expect([code, stderr]).toEqual([1, expect.stringContaining("has none of this node's keys")]);
  const said = lost.log.filter(({ msg }) => msg.includes("'shoal keys install'"));
  expect(said.length).toBeGreaterThan(0);
  expect(await a.memberStates()).toEqual(['quartz-a=alive']);
  await a.ok('keys', 'install', k2);
  await agreement([a, lost]);
  await eventually('it has both keys', async () => (await ids(lost)).includes(idA));
  for (const agent of [a, lost]) {
    const { stdout, stderr: errors } = agent.running;
    for (const key of [k1, k2]) expect(`${stdout}${errors}`).not.toContain(key.slice(0, 10));
    expect(readFileSync(`/proc/${agent.running.pid}/cmdline`, 'utf8')).not.toContain(k1.slice(0, 10));
    const { json } = await agent.call('GET', '/metrics');
    expect(String(json)).toMatch(/shoal_seal_dropped_total\{reason="unknown-key"\} [1-9]/);
  }
});

test('a sealed node and one without a key do not meet, and a key file others can read stops the start', async () => {
  await using sandbox = new Sandbox();
  const file = keyFile(sandbox, 'keys', [await newKey()]);
  const sealed = await start(sandbox, 'quartz-a', file);
  const open = await start(sandbox, 'quartz-b', null, ['--join', sealed.ready.gossip]);
  await eventually('what is not sealed is dropped and counted', async () => {
    const { json } = await sealed.call('GET', '/metrics');
    return /shoal_seal_dropped_total\{reason="unsealed"\} [1-9]/.test(String(json));
  });
  expect(await sealed.memberStates()).toEqual(['quartz-a=alive']);
  expect(await open.memberStates()).toEqual(['quartz-b=alive']);
  expect((await open.verb('keys', 'list')).stderr).toContain('no keyring');
  chmodSync(file, 0o644);
  const flags = ['--key-file', file, '--data-dir', join(sandbox.dir, 'x')];
  const { code, stderr } = await sandbox.spawn({ name: 'c', flags }).ended;
  expect([code, stderr]).toEqual([2, expect.stringContaining(`chmod 600 ${file}`)]);
});
