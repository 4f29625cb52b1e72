import { CommandWriter } from '../../src/cli/bench/commands.ts';
import { DONE, NONE, ReplyReader } from '../../src/cli/bench/replies.ts';
import { encode, Refused } from '../../src/cli/bench/socket.ts';
import { ErrorReply, readValue } from '../../src/cli/bench/values.ts';
import type { StoreServer } from './store-systems.ts';

const BATCH = 1000;
/** With a rate: small enough that the server does other things in between. */
const PACED_BATCH = 100;

/**
 * SETs keys `from` to `to` - 1, each once, as `shoal bench` and redis-benchmark name them; as fast as it goes, or so many a
 * second.
 */
export async function fill(
  server: StoreServer,
  from: number,
  to: number,
  sizeBytes: number,
  perSecond: number | null = null,
): Promise<void> {
  const writer = new CommandWriter(BATCH, sizeBytes);
  const next = (count: number, first: number): Buffer => {
    for (let i = 0; i < count; i++) writer.put(true, from + first + i);
    return writer.take();
  };
  await send(server, to - from, perSecond, next, () => writer.giveAway());
}

/** SETs so many keys of their own (`exp:N`) that all expire at one moment. */
export async function fillExpiring(
  server: StoreServer,
  count: number,
  sizeBytes: number,
  atMs: number,
  perSecond: number,
): Promise<void> {
  const value = 'x'.repeat(sizeBytes);
  const next = (many: number, first: number): Buffer => {
    const commands = Array.from({ length: many }, (_, i) =>
      encode(['SET', `exp:${first + i}`, value, 'PXAT', String(atMs)]),
    );
    return Buffer.concat(commands);
  };
  await send(server, count, perSecond, next, () => {});
}

/** Sends `total` commands in batches, each when the one before is answered; `kept`: the last batch's bytes are the socket's. */
async function send(
  server: StoreServer,
  total: number,
  perSecond: number | null,
  next: (count: number, first: number) => Buffer,
  kept: () => void,
): Promise<void> {
  const socket = await server.connect();
  const replies = new ReplyReader();
  const batch = perSecond === null ? BATCH : PACED_BATCH;
  const fromMs = performance.now();
  let sent = 0;
  let underWay = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      const more = (): void => {
        if (sent >= total) {
          resolve();
          return;
        }
        const dueMs = perSecond === null ? 0 : fromMs + (sent * 1000) / perSecond - performance.now();
        if (dueMs >= 1) {
          setTimeout(more, dueMs);
          return;
        }
        underWay = Math.min(batch, total - sent);
        const first = sent;
        sent += underWay;
        if (!socket.write(next(underWay, first))) kept();
      };
      const came = (bytes: Buffer): void => {
        replies.feed(bytes);
        for (let kind = replies.next(); kind !== NONE; kind = replies.next()) {
          if (kind !== DONE) {
            reject(new Error(`${server.system} refuses a SET: ${replies.error}`));
            return;
          }
          underWay--;
        }
        if (underWay === 0) more();
      };
      socket.handOver(came, (why) => reject(new Error(`${server.system} was lost: ${why}`)));
      more();
    });
  } finally {
    socket.close();
  }
}

const WAIT_MS = 60_000;

/**
 * SETs so many random keys, a pipeline at a time with `WAITAOF 1 0` behind it; `note` gets the microseconds until its answer.
 * That it was not on disk in time is an error.
 */
export async function fillWaiting(
  server: StoreServer,
  total: number,
  pipeline: number,
  sizeBytes: number,
  keys: number,
  note: (us: number) => void,
): Promise<void> {
  const socket = await server.connect();
  const writer = new CommandWriter(pipeline, sizeBytes);
  const wait = encode(['WAITAOF', '1', '0', String(WAIT_MS)]);
  let left = total;
  let underWay = 0;
  let fromMs = 0;
  let pending: Buffer = Buffer.alloc(0);
  try {
    await new Promise<void>((resolve, reject) => {
      const more = (): void => {
        underWay = Math.min(pipeline, left);
        left -= underWay;
        if (underWay === 0) {
          resolve();
          return;
        }
        for (let i = 0; i < underWay; i++) writer.put(true, Math.floor(Math.random() * keys));
        fromMs = performance.now();
        socket.write(Buffer.concat([writer.take(), wait]));
      };
      const came = (bytes: Buffer): void => {
        pending = Buffer.concat([pending, bytes]);
        let at = 0;
        while (at < pending.length) {
          const read = readValue(pending, at);
          if (read === null) break;
          at = read.next;
          const { value } = read;
          if (value instanceof ErrorReply) {
            reject(new Refused(`${server.system}: ${value.text}`));
            return;
          }
          if (underWay > 0) underWay--;
          else if (!Array.isArray(value) || value[0] !== 1) {
            reject(new Refused(`${server.system}: WAITAOF said ${JSON.stringify(value)}`));
            return;
          } else {
            note((performance.now() - fromMs) * 1000);
            more();
          }
        }
        pending = pending.subarray(at);
      };
      socket.handOver(came, (why) => reject(new Error(`${server.system} was lost: ${why}`)));
      more();
    });
  } finally {
    socket.close();
  }
}
