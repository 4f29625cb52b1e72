import { CommandWriter } from '../../src/cli/bench/commands.ts';
import { DONE, NONE, ReplyReader } from '../../src/cli/bench/replies.ts';
import { encode } from '../../src/cli/bench/socket.ts';
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
