import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { writeNow } from './flow.ts';

const opened: { destroy?(): void; close?(): void }[] = [];

/** Two ends of a connection on loopback. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer();
  opened.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const other = connect(port, '127.0.0.1');
  const [own] = (await once(server, 'connection')) as [Socket];
  opened.push(own, other);
  for (const socket of [own, other]) socket.on('error', () => {});
  return [own, other];
}

afterEach(() => {
  for (const one of opened.splice(0)) (one.destroy ?? one.close)?.call(one);
});

/** The next `length` bytes that come in. */
async function read(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let got = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk as Buffer);
    got += (chunk as Buffer).length;
    if (got >= length) break;
  }
  return Buffer.concat(chunks);
}

describe('writing past the stream', () => {
  it('gives small pieces to the kernel at once, in order', async () => {
    const [own, other] = await pair();
    const coming = read(other, 6);
    for (const text of ['one', 'two']) expect(writeNow(own, Buffer.from(text), () => {})).toBe(0);
    expect((await coming).toString()).toBe('onetwo');
  });

  it('tells what the kernel did not take, and when that went out, before what is written later', async () => {
    const [own, other] = await pair();
    const large = Buffer.alloc(32 << 20, 'x');
    let went = 0;
    const left = writeNow(own, large, () => went++);
    expect(left).toBe(large.length);
    own.write('end');
    expect(went).toBe(0);
    const came = await read(other, large.length + 3);
    expect(went).toBe(1);
    expect(came.length).toBe(large.length + 3);
    expect(came.subarray(0, large.length).equals(large)).toBe(true);
    expect(came.subarray(-3).toString()).toBe('end');
  });

  it('leaves it to a stream that has something to send', async () => {
    const [own, other] = await pair();
    own.write(Buffer.alloc(32 << 20));
    expect(writeNow(own, Buffer.from('x'), () => {})).toBe(-1);
    other.destroy();
  });

  it('says that the rest went when the connection is gone, and destroys the socket', async () => {
    const [own, other] = await pair();
    const gone = new Promise<void>((resolve) => {
      expect(writeNow(own, Buffer.alloc(32 << 20), resolve)).toBeGreaterThan(0);
    });
    other.resetAndDestroy();
    await gone;
    expect(own.destroyed).toBe(true);
    expect(writeNow(own, Buffer.from('x'), () => {})).toBe(-1);
  });
});
