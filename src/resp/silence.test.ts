import { afterEach, describe, expect, it } from 'vitest';
import { FakeDisk } from './testing/fake-disk.ts';
import { poll } from './testing/raw-client.ts';
import { Served } from './testing/served.ts';

const served = new Served();
afterEach(() => served.close());

describe('a client that wants no replies', () => {
  it('gets none, of unknown and wrong commands neither, until it asks for them again', async () => {
    const { join } = await served.start();
    const client = await join();
    client.send('ECHO', 'before').send('CLIENT', 'REPLY', 'OFF');
    client.send('NOTHING').send('GET').send('CLIENT', 'NOTHING').send('CLIENT', 'REPLY', 'JUNK').send('PING');
    client.send('WAIT', '1', '10').send('CLIENT', 'REPLY', 'SKIP').send('PING').send('PING');
    client.send('CLIENT', 'REPLY', 'ON').send('ECHO', 'after');
    expect(await client.replies(3)).toEqual(['$6 before', '+OK', '$5 after']);
  });

  it.each([
    [['PING']],
    [['NOTHING']],
    [['GET']],
    [['CLIENT', 'REPLY', 'JUNK']],
    [['WAIT', '1', '10']],
    [['CLIENT', 'REPLY', 'SKIP', 'x']],
  ])('to %j gets that of the next command', async (words) => {
    const { join } = await served.start();
    const client = await join();
    client
      .send('ECHO', 'a')
      .send('CLIENT', 'REPLY', 'SKIP')
      .send(...words)
      .send('ECHO', 'b');
    expect(await client.replies(2)).toEqual(['$1 a', '$1 b']);
  });

  it('gets messages, also those it sends to itself', async () => {
    const { join } = await served.start();
    const client = await join();
    await client.ask('HELLO', '3');
    client.send('CLIENT', 'REPLY', 'OFF').send('SUBSCRIBE', 'c').send('PUBLISH', 'c', 'x').send('PING');
    client.send('UNSUBSCRIBE').send('CLIENT', 'REPLY', 'ON');
    expect(await client.replies(4)).toEqual([
      '>3 $9 subscribe $1 c :1',
      '>3 $7 message $1 c $1 x',
      '>3 $11 unsubscribe $1 c :0',
      '+OK',
    ]);
  });

  it('may change its mind before the one that is skipped', async () => {
    const { join } = await served.start();
    const client = await join();
    client.send('CLIENT', 'REPLY', 'SKIP').send('CLIENT', 'REPLY', 'ON').send('PING');
    client.send('CLIENT', 'REPLY', 'SKIP').send('CLIENT', 'REPLY', 'SKIP').send('PING').send('ECHO', 'x');
    expect(await client.replies(3)).toEqual(['+OK', '+PONG', '$1 x']);
  });

  it('gets none of a write either that waits for the disk, and that of the next command in its place', async () => {
    const disk = new FakeDisk();
    const { join } = await served.start({}, disk.store());
    const client = await join();
    expect(await client.ask('CLIENT', 'ACKS', '1', '1', '5000')).toBe('+OK');
    client.send('CLIENT', 'REPLY', 'SKIP').send('SET', 'k', 'v').send('ECHO', 'after');
    await poll(() => disk.waiting === 1);
    disk.sync();
    expect(await client.reply()).toBe('$5 after');
  });
});
