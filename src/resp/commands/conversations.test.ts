import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Store } from '../../store/index.ts';
import { RespServer } from '../server.ts';
import { encode } from '../testing/raw-client.ts';

/**
 * Conversations with redis-server 7.0.15 (Debian), recorded: commands with ` ; ` between, each conversation on a connection of
 * its own but on one server, in this order; then every byte that was answered. Where shoal differs on purpose it is not here.
 */
const LINES = readFileSync(join(import.meta.dirname, '../testing/redis-7.0.15.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '');

/** As Python wrote it down. */
function unescaped(text: string): string {
  return text.replace(/\\(x..|.)/g, (_, code: string) => {
    if (code[0] === 'x') return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { n: '\n', r: '\r', t: '\t' }[code] ?? code;
  });
}

/** Words as a shell takes them, with escapes. */
function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map((m) => unescaped(m[1] ?? m[2] ?? ''));
}

describe('what redis-server 7.0.15 answered, to the byte', () => {
  const server = new RespServer(new Store(), {
    // A busy machine makes anything slow.
    settings: { 'slowlog-log-slower-than': '-1' },
  });
  let port = 0;
  beforeAll(async () => {
    port = await server.listen(0, '127.0.0.1');
  });
  afterAll(() => server.close());

  /** Everything that is answered until QUIT ends the connection. */
  function converse(commands: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => {
        for (const command of commands) socket.write(encode(words(command)));
        socket.write(encode(['QUIT']));
      });
      let out = '';
      socket.setEncoding('latin1');
      socket.on('data', (text) => {
        out += text;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(out));
    });
  }

  it.each(LINES)('%s', async (line) => {
    const [asked, answered] = line.split(' => ') as [string, string];
    const expected = unescaped(answered);
    const got = await converse(asked.split(' ; '));
    expect([expected, `${expected}+OK\r\n`]).toContain(got);
  });
});
