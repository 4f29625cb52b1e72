import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinAddress } from '../base/index.ts';
import type { Log } from '../io/index.ts';
import { type StoreConfig, StoreService } from './store-service.ts';

describe('the start of the store', () => {
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

  it('gives way with a port that is taken to a free one when it is the default, and that is said', async () => {
    const service = await StoreService.open(config, log);
    expect(service?.resp).not.toBe(config.resp);
    expect(service?.warnings()[0]).toContain(`the default, ${config.resp}, is taken`);
    expect(said).toEqual(service?.warnings());
    await service?.close();
  });

  it.each([
    ['log', '1m1d', 0],
    ['log', 'qmalld', 0],
    ['log', '2m1d', 1],
    ['memory', '1m0d', 0],
    ['memory', '1m1d', 1],
  ] as const)(
    'with store = %s says of acks = %s that it cannot be had: %i',
    async (store, acks, warnings) => {
      const service = await StoreService.open(
        { ...config, resp: joinAddress('127.0.0.1', 0), store, acks },
        log,
      );
      expect(service?.warnings().filter((text) => text.includes(`acks = "${acks}"`))).toHaveLength(warnings);
      expect(said).toHaveLength(warnings);
      await service?.close();
    },
  );

  it('ends when somebody asked for a port that is taken', async () => {
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
