/** The Redis port on a table in memory and nothing else, for `shoal-bare`: `bench.cjs store-server PORT`. */
import { RespServer } from '../../src/resp/server.ts';
import { Store } from '../../src/store/index.ts';

export async function run(args: string[]): Promise<void> {
  await new RespServer(new Store()).listen(Number(args[0]), '127.0.0.1');
  await new Promise(() => {});
}
