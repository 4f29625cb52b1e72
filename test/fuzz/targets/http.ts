import { createConnection } from 'node:net';
import { type Running, run } from '../../../src/http/fake-node.ts';
import type { Target } from '../target.ts';

/** What only a token or the Unix socket may ask for. */
const WRITES = new Set([
  'register',
  'adjust',
  'release',
  'join',
  'leave',
  'forceLeave',
  'keys',
  'changeKeys',
]);
/** Nothing more is waited for when the answer has begun this long ago: an event stream does not end. */
const LINGER_MS = 15;
const SILENT_MS = 300;

const request = (line: string, ...headers: readonly string[]): string =>
  `${[line, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n`;

const SEEDS = [
  request('GET /v1/status HTTP/1.1'),
  request('GET /v1/owners?position=5 HTTP/1.1', 'Connection: close'),
  request('GET /v1/owners?key=%7Ba%7Db HTTP/1.1', 'Accept: */*'),
  request('GET / HTTP/1.1', 'If-None-Match: "x"', 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate'),
  request('GET /v1/events?types=member-join HTTP/1.1', 'Last-Event-ID: 5'),
  `${request('POST /v1/ranges HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 34')}{"start":0,"end":9,"priority":1}   `,
  `${request('POST /v1/ranges HTTP/1.1', 'Transfer-Encoding: chunked')}5\r\n{"sta\r\n0\r\n\r\n`,
  `${request('DELETE /v1/ranges HTTP/1.1', 'Authorization: Bearer wrong', 'Content-Length: 2')}{}`,
  `${request('POST /v1/keys HTTP/1.1', 'Authorization: Bearer x', 'Expect: 100-continue', 'Content-Length: 2')}{}`,
  request('GET /v1/ranges HTTP/1.1') +
    request('GET /v1/members HTTP/1.1') +
    request('HEAD /metrics HTTP/1.1'),
  'GET /healthz HTTP/1.0\r\n\r\n',
];

const WORDS = [
  ...[
    '\r\n',
    '\n',
    '\r',
    ': ',
    ' ',
    '/',
    '?',
    '&',
    '%00',
    '%',
    '#',
    '//',
    '..',
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/2.0',
  ],
  ...['GET', 'HEAD', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'Content-Length: 0\r\n'],
  ...[
    'Content-Length: 5\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: identity\r\n',
    '0\r\n\r\n',
    'ffffffff\r\n',
  ],
  ...[
    'Connection: Upgrade\r\nUpgrade: websocket\r\n',
    'Host: evil.example\r\n',
    'Host: [::1]:1\r\n',
    'Expect: 100-continue\r\n',
  ],
  ...[
    'Authorization: Bearer \r\n',
    'Authorization: Basic eDp5\r\n',
    '/v1/converged',
    '/v1/coverage?copies=1',
    '/v1/join',
  ],
];

/** Whole connections at the TCP listener, without the token: nothing is written, nothing is a mistake of ours, it stays up. */
export function httpTarget(): Target {
  let running: Running | null = null;
  return {
    shape: { kind: 'text', words: WORDS },
    seeds: () => SEEDS.map((text) => Uint8Array.from(Buffer.from(text))),
    async feed(input) {
      running ??= await run({ socketPath: null });
      const { node, logged, port } = running;
      const answer = await converse(port, input);
      const written = node.calls.find(([name]) => WRITES.has(name as string));
      node.calls.length = 0;
      if (written !== undefined) throw new Error(`without a token: ${JSON.stringify(written)}`);
      if (logged.length > 0) throw new Error(`a mistake of ours: ${JSON.stringify(logged[0])}`);
      // A status line has its end; what a message quotes of the request has a quotation mark before it.
      const statuses = [...answer.matchAll(/HTTP\/1\.1 (\d+) [^\r\n"]*\r\n/g)].map(([, status]) => status);
      for (const status of statuses) if (status === '500') throw new Error(`answered with 500: ${answer}`);
      const word = statuses.slice(0, 3).join(' ');
      return /\b20\d/.test(word) ? `+${word}` : word;
    },
    async close() {
      await running?.stop();
    },
  };
}

function converse(port: number, input: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = createConnection({ host: '127.0.0.1', port });
    const cut = (): void => void socket.destroy();
    let timer = setTimeout(cut, SILENT_MS);
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
      clearTimeout(timer);
      timer = setTimeout(cut, LINGER_MS);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') reject(new Error('the server is gone'));
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
    // Half closed: the server answers what is whole, and closes.
    socket.end(input);
  });
}
