import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunOptions, shoal } from '../fake-daemon.testkit.ts';
import { readPlan, readUrl } from './options.ts';

/** A store that keeps values in a Map, just as much as a load asks; `answer` may say otherwise. */
class FakeStore {
  readonly map = new Map<string, string>();
  readonly heard: string[][] = [];
  port = 0;
  /** Undefined: as the store does. */
  answer: ((words: string[]) => string | undefined) | null = null;
  readonly sockets = new Set<Socket>();
  readonly #server: NetServer = createServer((socket) => {
    this.sockets.add(socket);
    let text = '';
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
    socket.setEncoding('latin1').on('data', (piece) => {
      text += piece;
      for (let words = take(); words !== null; words = take()) {
        socket.write(this.#reply(words), 'latin1');
      }
    });
    const take = (): string[] | null => {
      const head = /^\*(\d+)\r\n/.exec(text);
      if (head === null) return null;
      const words: string[] = [];
      let at = head[0].length;
      while (words.length < Number(head[1])) {
        const length = /^\$(\d+)\r\n/.exec(text.slice(at, at + 16));
        if (length === null) return null;
        at += length[0].length;
        const end = at + Number(length[1]);
        if (text.length < end + 2) return null;
        words.push(text.slice(at, end));
        at = end + 2;
      }
      text = text.slice(at);
      return words;
    };
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as { port: number }).port;
    return `redis://127.0.0.1:${this.port}`;
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  #reply(words: string[]): string {
    this.heard.push(words);
    const given = this.answer?.(words);
    if (given !== undefined) return given;
    const [name = '', key = '', value = ''] = words;
    if (name === 'SET') this.map.set(key, value);
    if (name !== 'GET') return '+OK\r\n';
    const found = this.map.get(key);
    return found === undefined ? '$-1\r\n' : `$${found.length}\r\n${found}\r\n`;
  }
}

const stores: FakeStore[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) store.stop();
});

async function start(answer: FakeStore['answer'] = null): Promise<[FakeStore, string]> {
  const store = new FakeStore();
  store.answer = answer;
  stores.push(store);
  return [store, await store.start()];
}

function run(line: string, url: string, options: RunOptions = {}) {
  return shoal(['bench', ...line.split(' '), '--url', url], options);
}

describe('shoal bench', () => {
  it('sends as many commands as asked, and counts their answers', async () => {
    const [store, url] = await start();
    const { code, out, err } = await run('--requests 3000 --clients 7 --pipeline 9 --keys 20 --json', url);
    expect([code, err]).toEqual([0, '']);
    const answer = JSON.parse(out);
    expect(answer).toMatchObject({ url, commands: 3000, errorCount: 0, connectionsLost: 0, masters: 1 });
    expect(answer.set.count + answer.get.count).toBe(3000);
    expect(answer.set.p99Ms).toBeGreaterThanOrEqual(answer.set.p50Ms);
    const sent = store.heard.filter(([name]) => name !== 'PING');
    expect(sent).toHaveLength(3000);
    expect(sent.filter(([name]) => name === 'SET')).toHaveLength(answer.set.count);
    const keys = Array.from({ length: 20 }, (_, i) => `key:${String(i).padStart(12, '0')}`);
    expect([...store.map.keys()].sort()).toEqual(keys);
    expect([...store.map.values()].every((value) => value === 'x'.repeat(100))).toBe(true);
  });

  it('takes what redis-benchmark takes, and runs its tests in turn', async () => {
    const [store, url] = await start();
    const { code, out } = await run('-c 3 -n 200 -P 4 -d 9 -r 5 -t SET,get --json', url);
    expect(code).toBe(0);
    const answers = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers.map(({ set, get }) => [set.count, get.count])).toEqual([
      [200, 0],
      [0, 200],
    ]);
    expect(answers[0].plan).toMatchObject({ clients: 3, pipeline: 4, sizeBytes: 9, keys: 5 });
    const order = store.heard.filter(([name]) => name !== 'PING').map(([name]) => name);
    expect(order.lastIndexOf('SET')).toBeLessThan(order.indexOf('GET'));
    expect([...store.map.values()].every((value) => value === 'x'.repeat(9))).toBe(true);
  });

  it('says it in words too: what was not there, and the latencies of what was sent', async () => {
    const [, url] = await start();
    const { code, out } = await run('--requests 50 --clients 2 --ratio 0:1 --size 0', url);
    expect(code).toBe(0);
    expect(out).toContain(`${url}: 2 clients, pipeline 1, values of 0 bytes, 1000000 keys, SET:GET 0:1\n`);
    expect(out).toMatch(/^50 commands in \d+\.\d s: \d+ a second$/m);
    expect(out).toMatch(/^GET +50 /m);
    expect(out).not.toMatch(/^SET/m);
    expect(out).toContain('not there: 50 of 50 GETs\n');
  });

  it('keeps to a rate', async () => {
    const [store, url] = await start();
    const { out } = await run('--seconds 0.5 --rate 400 --clients 3 --json', url);
    const { commands, perSecond } = JSON.parse(out);
    // No more than were due; on a busy machine fewer.
    expect(commands).toBeLessThanOrEqual(Math.ceil((perSecond > 0 ? commands / perSecond : 0) * 400) + 3);
    expect(commands).toBeGreaterThan(0);
    expect(store.heard.length).toBeGreaterThanOrEqual(commands);
  });

  it('prints what there is at Ctrl-C, and a line of progress at a terminal', async () => {
    const [store, url] = await start();
    const stop = new AbortController();
    store.answer = () => {
      if (store.heard.length > 500) stop.abort();
      return undefined;
    };
    const ran = await run('--seconds 60 --clients 2', url, { stop: stop.signal, terminal: true });
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/^\d+ commands in \d+\.\d s/m);
    // A line once it took a second, and then none.
    expect(ran.err === '' || ran.err.endsWith('\r\x1b[K')).toBe(true);
  });

  it('asks every node of a cluster for its own keys, and follows when slots move', async () => {
    const owned = new Map<FakeStore, string>();
    const moved = (port: number) => `-MOVED 5 127.0.0.1:${port}\r\n`;
    const [one, url] = await start();
    const [two] = await start();
    let all: FakeStore | null = null;
    const slots = (): string => {
      const entry = (from: number, to: number, { port }: FakeStore) =>
        `*3\r\n:${from}\r\n:${to}\r\n*2\r\n$9\r\n127.0.0.1\r\n:${port}\r\n`;
      return all === null
        ? `*2\r\n${entry(0, 8191, one)}${entry(8192, 16383, two)}`
        : `*1\r\n${entry(0, 16383, all)}`;
    };
    for (const store of [one, two]) {
      store.answer = ([name, key = '']) => {
        if (name === 'CLUSTER') return slots();
        if (name !== 'SET') return undefined;
        if (store === two && two.map.size > 40) all = one;
        if (all !== null && all !== store) return moved(all.port);
        owned.set(store, key);
        return undefined;
      };
    }
    const { code, out } = await run('--cluster --seconds 1.5 --clients 4 --ratio 1:0 --keys 300 --json', url);
    const answer = JSON.parse(out);
    expect([code, answer.masters]).toEqual([1, 1]);
    expect(Object.keys(answer.errors)).toEqual(['MOVED']);
    // All keys: those of the second were written again where they are now.
    expect(one.map.size).toBe(300);
    expect(owned.size).toBe(2);
  });

  it('goes on when connections break', async () => {
    const [store, url] = await start();
    let broken = 0;
    store.answer = ([name]) => {
      if (name === 'PING' || store.heard.length % 200 !== 0 || broken >= 3) return undefined;
      broken++;
      [...store.sockets][0]?.destroy();
      return undefined;
    };
    const { code, out } = await run('--requests 2000 --clients 4 --json', url);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ commands: 2000, connectionsLost: broken });
    expect(broken).toBe(3);
  });

  it('logs in, and asks for the acknowledgement level on every connection', async () => {
    const [store, url] = await start();
    const named = url.replace('//', '//ann:s%20t@');
    const { out } = await run('--requests 10 --clients 2 --ack 2m1d', named, {
      env: { REDISCLI_AUTH: 'other' },
    });
    const count = (...words: string[]) =>
      store.heard.filter((heard) => words.every((word, i) => heard[i] === word)).length;
    expect([count('AUTH', 'ann', 's t'), count('CLIENT', 'ACKS', '2', '1')]).toEqual([2, 2]);
    expect(out).not.toContain('s t');
    expect(out).not.toContain('s%20t');
  });
});

describe('what goes wrong', () => {
  const no = async (answer: FakeStore['answer'], line = '--requests 10') => {
    const [, url] = await start(answer);
    const { code, err } = await run(line, url);
    return [code, err.replace(url, 'URL')];
  };

  it('is told in one line', async () => {
    expect(await no(() => '-NOAUTH Authentication required.\r\n')).toEqual([
      1,
      'shoal: URL says NOAUTH Authentication required: give the password in --url or REDISCLI_AUTH\n',
    ]);
    expect(await no(([name]) => (name === 'CLIENT' ? '-ERR what\r\n' : undefined), '--ack 1m1d')).toEqual([
      1,
      'shoal: URL says it does not take the acknowledgement level: ERR what\n',
    ]);
    expect((await no(() => 'HTTP/1.1 400 Bad Request\r\n'))[1]).toMatch(
      /^shoal: no store to ask at URL \(.*no Redis protocol\).*\n$/,
    );
  });

  it('nobody there has an exit code of its own', async () => {
    const [store, url] = await start();
    store.stop();
    const { code, err } = await run('--requests 10', url);
    expect([code, err]).toEqual([
      3,
      `shoal: no store to ask at ${url} (nobody listens there): is it running? --url names another\n`,
    ]);
  });

  it('refused commands are counted by what was said, and the exit code says so', async () => {
    const [, url] = await start(([name]) => (name === 'SET' ? '-OOM no room\r\n' : undefined));
    const { code, out } = await run('--requests 20 --ratio 1:0', url);
    expect(code).toBe(1);
    expect(out).toContain('20 errors: OOM no room\n');
  });

  it.each([
    ['--clients 0', /--clients: '0'.*from 1 to 1000/],
    ['--pipeline x', /--pipeline/],
    ['--size -1', /--size/],
    ['--pipeline 10000 --size 100000', /more than 64 MB a client/],
    ['--keys 0', /--keys/],
    ['--seconds 0', /--seconds/],
    ['--seconds 1 --requests 1', /keep one/],
    ['--ratio 0:0', /--ratio.*SET:GET/],
    ['--ratio 5', /--ratio/],
    ['--rate 0', /--rate/],
    ['-t set,lpush', /--tests: 'lpush'.*set,get/],
    ['-t set --ratio 1:1', /keep one/],
    ['--ack 0m1d', /--ack.*1m1d/],
    ['--url http://h:1', /--url.*redis:\/\//],
    ['--url redis://h:1/5', /--url/],
    ['--url redis://u:secret@h:x', /^(?!.*secret)/],
    ['extra', /too many arguments/],
  ])('%s is bad usage', async (line, message) => {
    const { code, out, err } = await shoal(['bench', ...line.split(' ')]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^shoal: [^\n]+\n$/);
    expect(err).toMatch(message);
  });
});

describe('options', () => {
  it('have defaults', () => {
    expect(readPlan({}, undefined)).toEqual({
      server: { host: '127.0.0.1', port: 29979, user: null, password: null },
      clients: 50,
      pipeline: 1,
      sizeBytes: 100,
      keys: 1_000_000,
      requests: null,
      seconds: 10,
      sets: 1,
      gets: 1,
      rate: null,
      cluster: false,
      ack: null,
    });
  });

  it('take an address in many forms', () => {
    expect(readUrl('h:1', undefined)).toEqual({ host: 'h', port: 1, user: null, password: null });
    expect(readUrl('redis://h', 'p')).toEqual({ host: 'h', port: 6379, user: null, password: 'p' });
    expect(readUrl('redis://:q@[::1]:5', 'p')).toEqual({ host: '::1', port: 5, user: null, password: 'q' });
  });
});
