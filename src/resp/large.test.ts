import { afterEach, describe, expect, it } from 'vitest';
import { Store } from '../store/index.ts';
import { RespServer } from './server.ts';
import { encode, poll, RawClient } from './testing/raw-client.ts';

const MB = 1 << 20;
const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(settings: Record<string, string> = {}) {
  const server = new RespServer(new Store(), { settings });
  const port = await server.listen(0, '127.0.0.1');
  closers.push(() => server.close());
  const join = async (): Promise<RawClient> => {
    const client = await RawClient.connect(port);
    closers.push(() => client.close());
    return client;
  };
  return { server, join };
}

/** Text that is different everywhere. */
function pattern(length: number): string {
  let text = '';
  for (let i = 0; text.length < length; i++) text += `${i}.`;
  return text.slice(0, length);
}

describe('a value of megabytes', () => {
  it('is what was written, whatever is done to it', async () => {
    const { join } = await start();
    const client = await join();
    let model = Buffer.from(pattern(3 * MB + 77), 'latin1');
    const is = async (key = 'k'): Promise<void> => {
      const reply = await client.ask('GET', key);
      expect(reply === `$${model.length} ${model.toString('latin1')}`).toBe(true);
    };
    const over = (at: number, text: string): void => {
      const longer = Buffer.alloc(Math.max(model.length, at + text.length));
      longer.set(model);
      longer.write(text, at, 'latin1');
      model = longer;
    };
    expect(await client.ask('SET', 'k', model.toString('latin1'))).toBe('+OK');
    await is();
    over(model.length, 'tail');
    expect(await client.ask('APPEND', 'k', 'tail')).toBe(`:${model.length}`);
    over(MB - 3, 'across pieces');
    expect(await client.ask('SETRANGE', 'k', `${MB - 3}`, 'across pieces')).toBe(`:${model.length}`);
    const much = pattern(2 * MB + 1);
    over(model.length, much);
    expect(await client.ask('APPEND', 'k', much)).toBe(`:${model.length}`);
    await is();
    expect(await client.ask('STRLEN', 'k')).toBe(`:${model.length}`);
    const part = model.subarray(MB - 10, 2 * MB + 10).toString('latin1');
    expect(await client.ask('GETRANGE', 'k', `${MB - 10}`, `${2 * MB + 9}`)).toBe(`$${part.length} ${part}`);
    expect(await client.ask('SETBIT', 'k', `${2 * MB * 8 + 1}`, '1')).toMatch(/^:[01]$/);
    model[2 * MB] = (model[2 * MB] as number) | 0x40;
    expect(await client.ask('GETBIT', 'k', `${2 * MB * 8 + 1}`)).toBe(':1');
    expect(await client.ask('BITFIELD', 'k', 'SET', 'u16', `#${MB}`, '16961', 'GET', 'u8', '0')).toMatch(
      /^\*2/,
    );
    over(2 * MB, 'BA');
    expect(await client.ask('COPY', 'k', 'copy')).toBe(':1');
    expect(await client.ask('RENAME', 'copy', 'renamed')).toBe('+OK');
    await is();
    await is('renamed');
    expect((await client.ask('SET', 'k', 'v', 'GET')).length).toBe(`$${model.length} `.length + model.length);
    expect(await client.ask('GET', 'k')).toBe('$1 v');
    await is('renamed');
    expect((await client.ask('GETDEL', 'renamed')).length).toBeGreaterThan(model.length);
    expect(await client.ask('DBSIZE')).toBe(':1');
  });

  it('has its bits counted, found and combined', async () => {
    const { join } = await start();
    const client = await join();
    const ones = (bytes: Uint8Array): number =>
      bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    const a = Buffer.from(pattern(2 * MB + 5), 'latin1');
    const b = Buffer.from(pattern(MB + 3).replaceAll('1', 'x'), 'latin1');
    await client.ask('SET', '{k}a', a.toString('latin1'));
    await client.ask('SET', '{k}b', b.toString('latin1'));
    expect(await client.ask('BITCOUNT', '{k}a')).toBe(`:${ones(a)}`);
    expect(await client.ask('BITCOUNT', '{k}a', '5', '-7')).toBe(`:${ones(a.subarray(5, -6))}`);
    expect(await client.ask('BITOP', 'XOR', '{k}c', '{k}a', '{k}b')).toBe(`:${a.length}`);
    const xor = Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));
    expect((await client.ask('GET', '{k}c')) === `$${xor.length} ${xor.toString('latin1')}`.trimEnd()).toBe(
      true,
    );
    expect(await client.ask('BITOP', 'NOT', '{k}c', '{k}b')).toBe(`:${b.length}`);
    expect(await client.ask('BITCOUNT', '{k}c')).toBe(`:${b.length * 8 - ones(b)}`);
    expect(await client.ask('SETBIT', '{k}far', `${20 * MB * 8 + 9}`, '1')).toBe(':0');
    expect(await client.ask('BITPOS', '{k}far', '1')).toBe(`:${20 * MB * 8 + 9}`);
    expect(await client.ask('BITPOS', '{k}far', '1', `${20 * MB + 2}`)).toBe(':-1');
    expect(await client.ask('BITCOUNT', '{k}far', '0', `${20 * MB * 8 + 9}`, 'BIT')).toBe(':1');
    client.send('MULTI').send('BITCOUNT', '{k}far').send('STRLEN', '{k}far').send('GET', '{k}b').send('EXEC');
    const replies = await client.replies(5);
    expect(
      replies[4]?.startsWith(`*3 :1 :${20 * MB + 2} $${b.length} ${b.toString('latin1').slice(0, 99)}`),
    ).toBe(true);
  });

  it('that is replaced while it is sent to a slow reader still arrives as it was, and others wait for nothing', async () => {
    const { server, join } = await start();
    const [slow, other] = [await join(), await join()];
    const text = pattern(24 * MB);
    expect(await other.ask('SET', 'k', text)).toBe('+OK');
    slow.socket.pause();
    slow.send('GET', 'k').send('GET', 'k').send('ECHO', 'x');
    const client = (): number =>
      [...server.state.clients.values()].reduce((sum, { outlet }) => sum + outlet.waitingBytes, 0);
    await poll(() => client() > MB);
    server.sweep.look(Date.now());
    const before = server.sweep.heldBytes;
    expect(before).toBeLessThan(4 * MB);
    expect(await other.ask('SETRANGE', 'k', '5', 'other')).toBe(`:${text.length}`);
    server.sweep.look(Date.now());
    expect(server.sweep.heldBytes).toBeGreaterThan(16 * MB);
    slow.socket.resume();
    expect((await slow.reply()) === `$${text.length} ${text}`).toBe(true);
    expect((await slow.reply()).length).toBe(`$${text.length} ${text}`.length);
    expect(await slow.reply()).toBe('$1 x');
  });

  it('is sent to the end to one who quits', async () => {
    const { join } = await start();
    const client = await join();
    const text = pattern(16 * MB);
    expect(await client.ask('SET', 'k', text)).toBe('+OK');
    client.socket.write(Buffer.concat([encode(['GET', 'k']), encode(['QUIT'])]));
    expect((await client.reply()).length).toBe(`$${text.length} ${text}`.length);
    expect(await client.replies(2)).toEqual(['+OK', 'closed']);
  });
});
