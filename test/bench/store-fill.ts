import { CommandWriter } from '../../src/cli/bench/commands.ts';
import { DONE, NONE, ReplyReader } from '../../src/cli/bench/replies.ts';
import type { StoreServer } from './store-systems.ts';

const BATCH = 1000;

/** SETs keys `from` to `to` - 1, each once, as `shoal bench` and redis-benchmark name them. */
export async function fill(server: StoreServer, from: number, to: number, sizeBytes: number): Promise<void> {
  const socket = await server.connect();
  const writer = new CommandWriter(BATCH, sizeBytes);
  const replies = new ReplyReader();
  let next = from;
  let underWay = 0;
  const send = (): void => {
    for (; underWay < BATCH && next < to; underWay++) writer.put(true, next++);
    if (!socket.write(writer.take())) writer.giveAway();
  };
  try {
    await new Promise<void>((resolve, reject) => {
      const came = (bytes: Buffer): void => {
        replies.feed(bytes);
        for (let kind = replies.next(); kind !== NONE; kind = replies.next()) {
          if (kind !== DONE) {
            reject(new Error(`${server.system} refuses a SET: ${replies.error}`));
            return;
          }
          underWay--;
        }
        if (underWay > 0) return;
        if (next === to) resolve();
        else send();
      };
      socket.handOver(came, (why) => reject(new Error(`${server.system} was lost: ${why}`)));
      if (from < to) send();
      else resolve();
    });
  } finally {
    socket.close();
  }
}
