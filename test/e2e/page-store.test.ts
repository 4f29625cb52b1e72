/** The store on the status page: of a real agent under load, and of one whose answers the test decides. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Address } from '../../src/base/index.ts';
import type { StoreApi, StoreHistoryView, StoreInfoView, StoreSlowView } from '../../src/node/contract.ts';
import { eventually, installed, PageBrowser } from './browser.ts';
import { Sandbox } from './harness.ts';
import { member, nodeId, PageNode, servePage } from './page-node.ts';
import { StoreClient } from './store-client.ts';

const MB = 2 ** 20;
const PLOTS = ['rate', 'memory', 'disk', 'clients', 'busy', 'lag'];

/** How many pixels of a plot's canvas have the colour of its line, more or less. */
function inked(page: Page, plot: string): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.querySelector('[data-plot="${plot}"] canvas');
    if (canvas === null) return 0;
    const style = document.createElement('canvas').getContext('2d');
    style.fillStyle = getComputedStyle(canvas).getPropertyValue('--accent').trim();
    style.fillRect(0, 0, 1, 1);
    const [r, g, b] = style.getImageData(0, 0, 1, 1).data;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let i = 0; i < data.length; i += 4)
      if (data[i + 3] > 128 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 60) found++;
    return found;
  })()`);
}

const textOf = async (page: Page, plot: string) =>
  (await page.textContent(`[data-plot="${plot}"] .value`)) ?? '';

/** A store whose figures are given outright. */
class GivenStore implements StoreApi {
  awake = true;
  full: StoreInfoView['full'] = null;
  samples: Omit<StoreHistoryView, 'everyMs'> = given(200);
  entries: StoreSlowView['entries'] = [];

  info(): StoreInfoView {
    return {
      resp: '192.168.7.11:29979' as Address,
      proxy: '127.0.0.1:29978' as Address,
      awake: this.awake,
      backend: 'log',
      directory: '/var/lib/shoal/store',
      keys: 1_204_551,
      expiring: 20_113,
      strays: 0,
      usedBytes: 180 * MB,
      heldBytes: 215 * MB,
      memoryLimitBytes: 500 * MB,
      diskBytes: 310 * MB,
      diskLimitBytes: null,
      full: this.full,
      slots: { served: 4096, unsettled: 12, held: 0, elsewhere: 12_288, unowned: 0 },
      clients: 52,
      links: 4,
      commands: 81_223_019,
      perSecond: { second: 61_220, minute: 58_414 },
      forwarded: 10_220,
      hits: 900,
      misses: 100,
      expired: 77_201,
      queuedBytes: 0,
      snapshots: 3,
      snapshotAt: '2026-11-21T10:00:00.000Z',
      longestTurnMs: 3.4,
      longestStepMs: 1.2,
      slow: this.entries.length,
      warnings: [],
    };
  }
  scan = async () => ({ entries: [], cursor: 0 });
  count = () => ({ messages: 0, firstSlot: 0, lastSlot: 0 });
  history = (afterMs: number): StoreHistoryView => ({
    everyMs: 2000,
    ...(afterMs === 0 ? this.samples : given(0)),
  });
  slow = (): StoreSlowView => ({ slowerThanMs: 10, entries: this.entries });
}

/** A load that comes and goes, memory that fills. */
function given(count: number): Omit<StoreHistoryView, 'everyMs'> {
  const newest = Date.now();
  const column = (value: (i: number) => number) => Array.from({ length: count }, (_, i) => value(i));
  const wave = (i: number) => Math.max(0, Math.sin(i / 17)) * (1 + (i % 5) / 20);
  return {
    atMs: column((i) => newest - 2000 * (count - 1 - i)),
    commandsPerSecond: column((i) => Math.round(60_000 * wave(i))),
    keys: column((i) => 6000 * i),
    usedBytes: column((i) => 0.9 * MB * i),
    heldBytes: column((i) => 16 * MB * Math.ceil(i / 15)),
    diskBytes: column((i) => 1.5 * MB * (i % 120) + 20 * MB),
    clients: column((i) => 2 + Math.floor(i / 4)),
    busyPercent: column((i) => Math.round(2 + 70 * wave(i))),
    lagMs: column((i) => 0.2 + 3 * wave(i)),
  };
}

describe.skipIf(!installed)('the store on the status page', () => {
  let browser: PageBrowser;
  let close: () => Promise<void>;

  beforeAll(async () => {
    browser = await PageBrowser.launch();
  });
  afterAll(() => browser?.close());
  afterEach(async () => {
    await browser.closePages();
    await close?.();
    close = async () => {};
    browser.expectCalm();
  });

  async function serve(store: GivenStore | null): Promise<string> {
    const node = new PageNode();
    const capacity = (percent: number) => ({ cores: 4, storeMb: 500, storePercent: percent });
    node.memberList = ['perch', 'cod', 'eel'].map((name, i) =>
      member(i + 1, name, i === 2 ? {} : { capacity: capacity(43 + 52 * i) }),
    );
    node.register(1, 0, 0xffffffff);
    if (store !== null) node.resp = '192.168.7.11:29979' as Address;
    const { server, port } = await servePage(node, 0, store);
    close = () => server.close();
    return `127.0.0.1:${port}`;
  }

  it('of an agent under load shows throughput, memory, disk, clients and lag as lines over time', async () => {
    await using sandbox = new Sandbox();
    const agent = await sandbox.start({ name: 'perch', flags: ['--range', '0-0xffffffff'] });
    const client = await StoreClient.connect(agent.ready.resp as string);
    expect(await client.ask('CONFIG', 'SET', 'slowlog-log-slower-than', 0)).toBe('OK');
    expect(await client.ask('SET', 'user:<b>1</b>', 'secret')).toBe('OK');
    expect(await client.ask('CONFIG', 'SET', 'slowlog-log-slower-than', 1_000_000)).toBe('OK');
    const page = await browser.open(agent.ready.http as string);
    // It goes on until all was seen, however slow the machine.
    const load = sandbox.run(
      `bench --url redis://${agent.ready.resp} --seconds 90 --clients 5 --pipeline 8 --rate 2000`.split(' '),
    );
    for (const plot of PLOTS)
      await eventually(async () => (await inked(page, plot)) > 30, `a line in ${plot}`, 60_000);
    await eventually(
      async () => Number((await textOf(page, 'rate')).replace(',', '')) > 500,
      'throughput',
      60_000,
    );
    expect(await textOf(page, 'memory')).toMatch(/^[\d.]+ [kM]B of [\d.]+ [GM]B, /);
    await eventually(async () => Number(await textOf(page, 'clients')) > 1, 'clients', 60_000);
    const slow = await page.textContent('#slow-body');
    expect(slow).toContain('user:<b>1</b>');
    expect(slow).not.toContain('secret');
    await browser.picture(page, 'store-load');
    load.kill('SIGINT');
    expect((await load.ended).code).toBe(0);
    client.close();
    await browser.closePages();
  });

  it('tells fill, rates and slow commands, on a phone and in the dark too', async () => {
    const store = new GivenStore();
    const slow = (id: number, command: string, keys: string[] | null, ms: number) => ({
      ...{
        id,
        time: new Date().toISOString(),
        ms,
        command,
        keys,
        client: '192.168.7.30:51022',
        clientName: 'app',
      },
    });
    store.entries = [
      slow(
        2,
        'mget',
        Array.from({ length: 9 }, (_, i) => `user:${i}`),
        14.2,
      ),
      slow(1, 'config|set', [], 11.9),
      slow(0, 'getrange', ['<img src=x onerror="document.title=1">'], 2301),
    ];
    const address = await serve(store);
    const page = await browser.open(address);
    await page.waitForSelector('[data-plot="rate"] canvas');
    expect(await textOf(page, 'memory')).toBe('224 MB of 500 MB, 44.8 %');
    expect(await page.textContent('#store-figures')).toContain('58,414 a second');
    const rows = await page.locator('#slow-body tr').allTextContents();
    expect(rows[0]).toMatch(/14 ms.*mget.*user:0 user:1 user:2 user:3 and 5 more.*app 192/s);
    expect(rows[1]).toContain('config set');
    expect(await page.locator('#members td.fill').allTextContents()).toEqual(['43 %', '95 %', '']);
    expect(await page.locator('#members .fill .bad').count()).toBe(1);
    expect(await page.locator('#store img').count()).toBe(0);
    expect(await page.title()).toBe('perch · shoal');
    await browser.picture(page, 'store');
    const canvas = page.locator('[data-plot="rate"] .u-over');
    await canvas.hover({ position: { x: 40, y: 30 } });
    await eventually(
      async () => / at \d\d:\d\d:\d\d$/.test(await textOf(page, 'memory')),
      'values at the pointer',
    );
    await page.mouse.move(0, 0);
    await eventually(async () => !(await textOf(page, 'memory')).includes(' at '), 'the newest again');
    for (const [name, width, colorScheme] of [
      ['store-phone', 360, 'light'],
      ['store-dark', 1920, 'dark'],
    ] as const) {
      const other = await browser.open(address, {
        viewport: { width, height: 800 },
        colorScheme,
        deviceScaleFactor: 2,
      });
      await other.waitForSelector('[data-plot="lag"] canvas');
      expect(await other.evaluate('document.documentElement.scrollWidth'), name).toBeLessThanOrEqual(width);
      for (const plot of PLOTS) expect(await inked(other, plot), `${name} ${plot}`).toBeGreaterThan(30);
      await browser.picture(other, name);
    }
  });

  it('that is not in use, or not there, is told in words, and nothing of it is asked', async () => {
    const asleep = new GivenStore();
    asleep.awake = false;
    asleep.samples = given(0);
    const page = await browser.open(await serve(asleep));
    const words = (of: Page) => of.textContent('#store-none');
    await eventually(async () => (await words(page))?.startsWith('Not in use yet') === true, 'asleep');
    expect(await page.isHidden('#store-body')).toBe(true);
    await browser.closePages();
    await close();
    const asked: string[] = [];
    const none = await browser.open(await serve(null));
    none.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await eventually(async () => (await words(none))?.includes('--no-resp') === true, 'no store');
    expect(asked.filter((path) => path.startsWith('/v1/store'))).toEqual([]);
    await browser.picture(none, 'store-none');
  });

  it('keys that the node does not tell are said to be hidden', async () => {
    const store = new GivenStore();
    store.entries = [
      {
        id: 0,
        time: '2026-01-01T00:00:00.000Z',
        ms: 12,
        command: 'get',
        keys: null,
        client: nodeId(1),
        clientName: '',
      },
    ];
    const page = await browser.open(await serve(store));
    await page.waitForSelector('#slow-body tr');
    expect(await page.textContent('#slow-body .keys')).toBe('not shown: the store has a password');
  });
});
