import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinAddress } from '../base/index.ts';
import type { Log } from '../io/index.ts';
import { type StoreConfig, StoreService } from './store-service.ts';

describe('a port of the store that is taken', () => {
  let other: Server;
  let config: StoreConfig;
  const said: string[] = [];
  const log = { warn: (_: object, text: string) => said.push(text) } as unknown as Log;

  beforeEach(async () => {
    other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    said.length = 0;
    config = {
      resp: joinAddress('127.0.0.1', (other.address() as AddressInfo).port),
      proxy: null,
      respPasswordFile: null,
      store: 'memory',
      storeDir: '/nowhere',
      storeMemoryMb: 8,
      storeDiskMb: null,
      storeSalvage: false,
      acks: '1m0d',
      insecure: false,
      origins: {},
    };
  });
  afterEach(() => {
    other.close();
  });

  it('gives way to a free one when it is the default, and that is said', async () => {
    const service = await StoreService.open(config, log);
    expect(service?.resp).not.toBe(config.resp);
    expect(service?.warnings()[0]).toContain(`the default, ${config.resp}, is taken`);
    expect(said).toEqual(service?.warnings());
    await service?.close();
  });

  it('ends the start when somebody asked for it', async () => {
    const asked = { ...config, origins: { resp: '--resp' } };
    await expect(StoreService.open(asked, log)).rejects.toMatchObject({ code: 'port-in-use', field: 'resp' });
  });
});

it('ends the start when the directory somebody asked for cannot be made', async () => {
  const config = {
    resp: joinAddress('127.0.0.1', 0),
    proxy: null,
    store: 'log',
    // Under /proc the system answers as if the parent were missing, for ever.
    storeDir: '/proc/nope',
    origins: { store_dir: '--store-dir' },
  } as unknown as StoreConfig;
  await expect(StoreService.open(config, {} as Log)).rejects.toMatchObject({
    code: 'store-unwritable',
    field: 'store-dir',
  });
});
