/**
 * The Redis port on a table and its log, without the agent around it, for `shoal-bare`: `bench.cjs store-server PORT DIR`. No gossip,
 * no routing: what these cost is the difference to `shoal`.
 */
import { parseLevel } from '../../src/resp/ack-level.ts';
import { RespServer } from '../../src/resp/server.ts';
import { Store } from '../../src/store/index.ts';

export async function run(args: string[]): Promise<void> {
  const [port, directory = ''] = args;
  const store = await Store.open({
    backend: 'log',
    directory,
    maxMemoryBytes: 0,
    maxDiskBytes: 0,
    compress: true,
    salvage: false,
    notices: { info: (text) => console.log(text), warn: (text) => console.log(text) },
    nowMs: Date.now(),
  });
  const level = parseLevel('1m0d');
  await new RespServer(store, level === null ? {} : { level }).listen(Number(port), '127.0.0.1');
  await new Promise(() => {});
}
