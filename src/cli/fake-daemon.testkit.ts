/** A small HTTP server on a Unix socket that answers as it is told, and a CliIo that records. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CliIo, DaemonDoor } from './io.ts';
import { run } from './run.ts';

export interface Heard {
  readonly method: string;
  readonly url: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

type Answer = (heard: Heard, res: ServerResponse) => void;

export class FakeDaemon {
  readonly directory = mkdtempSync(join(tmpdir(), 'shoal-cli-'));
  readonly socket = join(this.directory, 'shoal.sock');
  readonly heard: Heard[] = [];
  port = 0;
  #unix: Server | null = null;
  #tcp: Server | null = null;
  readonly #answers = new Map<string, Answer>();

  /** Answers `METHOD /path` (without its query) with this status and body. */
  on(call: string, status: number, body: unknown): void {
    this.answer(call, (_heard, res) => {
      res.writeHead(status, { 'Content-Type': 'application/json' });
      res.end(JSON.stringify(body));
    });
  }

  answer(call: string, answer: Answer): void {
    this.#answers.set(call, answer);
  }

  async start(): Promise<void> {
    this.#unix = this.#server();
    this.#tcp = this.#server();
    await new Promise<void>((resolve) => this.#unix?.listen(this.socket, resolve));
    await new Promise<void>((resolve) => this.#tcp?.listen(0, '127.0.0.1', resolve));
    this.port = (this.#tcp.address() as { port: number }).port;
  }

  /** Closes at once, as a daemon that ends. */
  async stop(): Promise<void> {
    for (const server of [this.#unix, this.#tcp]) {
      server?.closeAllConnections();
      await new Promise<void>((resolve) => {
        if (server === null) resolve();
        else server.close(() => resolve());
      });
    }
    this.#unix = null;
    this.#tcp = null;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #server(): Server {
    return createServer((req, res) => {
      const pieces: Buffer[] = [];
      req.on('data', (piece: Buffer) => pieces.push(piece));
      req.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        const heard: Heard = {
          method: req.method ?? '',
          url: req.url ?? '',
          body: text === '' ? undefined : JSON.parse(text),
          headers: req.headers,
        };
        this.heard.push(heard);
        const answer = this.#answers.get(`${heard.method} ${heard.url.split('?')[0]}`);
        if (answer !== undefined) answer(heard, res);
        else
          res.writeHead(404).end(JSON.stringify({ error: { code: 'not-found', message: 'no such call' } }));
      });
    });
  }
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly terminal?: boolean;
  /** As `terminal` when not given. */
  readonly errorTerminal?: boolean;
  readonly files?: Record<string, string>;
  /** Paths that this user may not look at. */
  readonly locked?: readonly string[];
  readonly stop?: AbortSignal;
  readonly daemon?: DaemonDoor;
  readonly onOut?: (text: string) => void;
}

/** Runs one command line in this process. */
export async function shoal(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const files = options.files ?? {};
  let out = '';
  let err = '';
  const io: CliIo = {
    stdout: (text) => {
      out += text;
      options.onOut?.(text);
    },
    stderr: (text) => {
      err += text;
    },
    env: options.env ?? {},
    isTerminal: options.terminal === true,
    isErrorTerminal: options.errorTerminal ?? options.terminal === true,
    columns: 100,
    hostname: 'board',
    homedir: '/nonexistent-home',
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
      return text;
    },
    exists: (path) => Object.hasOwn(files, path),
    isLocked: (path) => options.locked?.includes(path) === true,
    writeSecret: (path, text) => {
      if (Object.hasOwn(files, path)) throw Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
      files[path] = text;
    },
    interrupted: () => options.stop ?? new AbortController().signal,
    daemon: async () => {
      if (options.daemon === undefined) throw new Error('this verb must not load the daemon');
      return options.daemon;
    },
  };
  const code = await run(argv, io);
  return { code, out, err };
}
