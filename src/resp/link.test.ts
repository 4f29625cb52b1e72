import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Asker, Link } from './link.ts';
import { command } from './link-handshake.ts';
import { nodeId } from './testing/fake-group.ts';
import { poll } from './testing/raw-client.ts';

/** Another node, as far as links see it: greets, and then answers when it is told to. */
class FakePeer {
  readonly server = createServer((socket) => {
    this.socket = socket;
    let greetings = 0;
    socket.on('data', (chunk) => {
      if (greetings < 2) socket.write(greetings++ === 0 ? `$32\r\n${'a'.repeat(32)}\r\n` : '+OK\r\n');
      else this.heard += chunk.toString('latin1');
    });
    socket.on('error', () => {});
  });
  socket: Socket | null = null;
  heard = '';

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as { port: number }).port));
    });
  }
}

let peer: FakePeer;
let link: Link;
let nowMs = 0;
let drained = 0;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  nowMs = 0;
  drained = 0;
  peer = new FakePeer();
  const port = await peer.listen();
  link = new Link({
    kind: 'relay',
    version: 2,
    self: () => nodeId(1),
    peer: nodeId(2),
    address: () => ({ host: '127.0.0.1', port }),
    secrets: () => [],
    nowMs: () => nowMs,
    drained: () => drained++,
    cut: () => {},
  });
});
afterEach(() => {
  vi.useRealTimers();
  link.close();
  peer.socket?.destroy();
  peer.server.close();
});

/** Asks, and puts what comes of it down. */
function ask(answers: string[], text: string, level: Parameters<Link['sendBytes']>[2] = null): void {
  const asker: Asker = {
    replies: 1,
    size: 0,
    answered: (reply) => answers.push(Buffer.from(reply).toString('latin1')),
    failed: ({ sent, why }) => answers.push(`${sent ? 'sent' : 'not sent'}: ${why}`),
  };
  link.sendBytes(asker, command(...text.split(' ')), level);
}

function pass(ms: number): void {
  nowMs += ms;
  vi.advanceTimersByTime(1_000);
}

test('a link with more to answer than it can in the time of one answer is kept while answers come', async () => {
  const answers: string[] = [];
  for (let i = 0; i < 10; i++) ask(answers, `GET k${i}`);
  await poll(() => peer.heard.includes('k9'));
  for (let i = 0; i < 10; i++) {
    pass(4_000);
    peer.socket?.write(`:${i}\r\n`);
    await poll(() => answers.length === i + 1);
  }
  expect(answers.at(-1)).toBe(':9\r\n');
  expect(link.counters).toMatchObject({ failed: 0, connects: 1 });
});

test('a link on which nothing is heard is given up, and what was sent may have been done', async () => {
  const answers: string[] = [];
  ask(answers, 'GET k');
  await poll(() => peer.heard.includes('k'));
  // One that was idle before has the time from then on.
  peer.socket?.write('+OK\r\n');
  await poll(() => answers.length === 1);
  pass(50_000);
  ask(answers, 'GET l');
  await poll(() => peer.heard.includes('l'));
  pass(4_000);
  expect(answers).toHaveLength(1);
  pass(2_000);
  expect(answers[1]).toBe('sent: nothing was heard from it for 5000 ms');
  ask(answers, 'GET m');
  expect(answers[2]).toBe('not sent: it cannot be reached');
});

test('a link is full by commands, or by their bytes, and then says when it is not', async () => {
  for (const [text, most] of [
    [`SET k ${'x'.repeat(2 ** 20)}`, 32],
    ['GET k', 8192],
  ] as const) {
    const answers: string[] = [];
    const before = drained;
    for (let i = 1; i < most; i++) ask(answers, text);
    expect(link.full).toBe(false);
    ask(answers, text);
    expect(link.full).toBe(true);
    const length = peer.heard.length + command(...text.split(' ')).length * most;
    await poll(() => peer.heard.length >= length);
    peer.socket?.write(':1\r\n'.repeat(most / 2 - 1));
    await poll(() => answers.length === most / 2 - 1);
    expect(drained).toBe(before);
    peer.socket?.write(':1\r\n'.repeat(most / 2 + 1));
    await poll(() => answers.length === most);
    expect(drained).toBe(before + 1);
    expect(link.full).toBe(false);
  }
});

test('what a write waits for is said when it changes, and reads leave it as it is', async () => {
  const answers: string[] = [];
  const disk = { memory: 1, disk: 1, timeoutMs: 0 };
  const plain = { memory: 1, disk: 0, timeoutMs: 0 };
  ask(answers, 'SET a 1', plain);
  ask(answers, 'SET b 1', disk);
  ask(answers, 'GET b');
  ask(answers, 'SET c 1', disk);
  ask(answers, 'SET d 1', plain);
  await poll(() => peer.heard.includes('d'));
  const words = peer.heard.split('\r\n').filter((line) => /^[A-Za-z0-9]/.test(line));
  expect(words.join(' ')).toBe('SET a 1 CLIENT ACKS 1 1 0 SET b 1 GET b SET c 1 CLIENT ACKS 1 0 0 SET d 1');
  peer.socket?.write('+a\r\n+OK\r\n+b\r\n$1\r\n1\r\n+c\r\n+OK\r\n+d\r\n');
  await poll(() => answers.length === 5);
  expect(answers.map((answer) => answer.slice(0, 2))).toEqual(['+a', '+b', '$1', '+c', '+d']);
});
