/**
 * The status page in a real browser, behind the real HTTP edge, over a node whose answers the test decides. Pictures and what it
 * needs: browser.ts.
 */
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Address } from '../../src/base/index.ts';
import type { HttpServer } from '../../src/http/index.ts';
import type { MetricFamily, SegmentView } from '../../src/node/contract.ts';
import { eventually, installed, PageBrowser } from './browser.ts';
import { member, nodeId, PageNode, servePage } from './page-node.ts';

const NAMES = ['perch', 'cod', 'eel', 'gudgeon', 'roach'];
const QUARTER = 2 ** 30;
/** Somewhere low in the rows of the first, second and third owner, below the names; from the top of the canvas. */
const ROW = [55, 88, 117] as const;
/** Runs in the page. Reads a copy, as reading back the canvas itself would change how the browser draws it. */
const PROBE = `globalThis.probe = (position, y) => {
  const canvas = document.querySelector('#bands-canvas');
  const x = 20 + (position / 2 ** 32) * (canvas.clientWidth - 20);
  const copy = new OffscreenCanvas(1, 1).getContext('2d');
  copy.drawImage(canvas, -Math.floor(x * devicePixelRatio), -Math.floor(y * devicePixelRatio));
  const [r, g, b] = copy.getImageData(0, 0, 1, 1).data;
  return 'rgb(' + [r, g, b].join(', ') + ')';
}`;

/** Five nodes; the last sixteenth of the key space has no owner. */
function fiveNodes(): PageNode {
  const node = new PageNode();
  node.memberList = NAMES.map((name, i) => member(i + 1, name));
  for (let i = 0; i < 4; i++) {
    const start = i * QUARTER;
    const end = i === 3 ? 0xefffffff : start + QUARTER - 1;
    node.register(i + 1, start, end, 3);
    node.register(i + 2, start, end, 2);
  }
  node.register(1, 2 * QUARTER, 3 * QUARTER - 1, 1);
  node.propagation = Array.from({ length: 60 }, (_, i) => 1.5 + (i % 7) / 4 + (i === 40 ? 25 : 0));
  return node;
}

/** Every segment has another first owner than the next; the middle tenth has none. */
function manySegments(count: number): SegmentView[] {
  const width = 2 ** 32 / count;
  const edge = (i: number) => Math.floor(i * width);
  const owner = (i: number) => ({ node: nodeId(1 + (i % 5)), name: NAMES[i % 5] ?? '', priority: 3 });
  return Array.from({ length: count }, (_, i) => ({
    start: edge(i),
    end: edge(i + 1) - 1,
    owners: i >= count * 0.45 && i < count * 0.55 ? [] : [owner(i), owner(i + 1)],
  }));
}

describe.skipIf(!installed)('the status page', () => {
  let browser: PageBrowser;
  let node: PageNode;
  let server: HttpServer;
  let port: number;

  beforeAll(async () => {
    browser = await PageBrowser.launch();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    node = fiveNodes();
    ({ server, port } = await servePage(node));
  });
  afterEach(async () => {
    await browser.closePages();
    await server.close();
    browser.expectCalm();
  });

  function open(options: BrowserContextOptions = {}, ownClock = false): Promise<Page> {
    return browser.open(`127.0.0.1:${port}`, options, { script: PROBE, ownClock });
  }

  const picture = (page: Page, name: string) => browser.picture(page, name);

  /** The colour of a point of the bands, `rgb(r, g, b)`. */
  function colourAt(page: Page, position: number, y: number): Promise<string> {
    return page.evaluate(`probe(${position}, ${y})`);
  }

  function legendColour(page: Page, n: number): Promise<string> {
    const swatch = `#legend [data-node="${nodeId(n)}"] .swatch`;
    return page.evaluate(
      `getComputedStyle(document.querySelector(${JSON.stringify(swatch)})).backgroundColor`,
    );
  }

  function setVisibility(page: Page, state: 'visible' | 'hidden'): Promise<void> {
    return page.evaluate(
      `Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));`,
    );
  }

  function isRed(colour: string): boolean {
    const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).map(Number);
    return r > 200 && g < 100 && b < 100;
  }

  it('draws each position in the colours of its owners in order, and a gap in red', async () => {
    const page = await open();
    const [first, second, third] = ROW;
    const middle = (quarter: number) => (quarter + 0.6) * QUARTER;
    for (const quarter of [0, 1, 2]) {
      expect(await colourAt(page, middle(quarter), first)).toBe(await legendColour(page, quarter + 1));
      expect(await colourAt(page, middle(quarter), second)).toBe(await legendColour(page, quarter + 2));
    }
    expect(await colourAt(page, middle(2), third)).toBe(await legendColour(page, 1));
    for (const y of [first, second]) expect(isRed(await colourAt(page, 0xf8000000, y))).toBe(true);
    expect(isRed(await colourAt(page, middle(3) - QUARTER / 4, first))).toBe(false);
    expect(await page.textContent('#gaps-title')).toBe('1 gap: 6.3 % of the key space has no live owner');
    expect(await page.textContent('#gaps-list')).toContain('0xf0000000–0xffffffff');
    await picture(page, 'desktop');
  });

  it('says what is under the pointer, and walks the segments by keyboard', async () => {
    const page = await open();
    const box = await page.locator('#bands-canvas').boundingBox();
    await page.mouse.move((box?.x ?? 0) + 60, (box?.y ?? 0) + ROW[0]);
    expect(await page.textContent('#detail')).toContain('0x00000000–0x3fffffff');
    expect(await page.textContent('#detail')).toContain('slots 0–4095');
    expect(await page.locator('#detail .owners li').allTextContents()).toEqual(['perch3', 'cod2']);
    await page.mouse.move(0, 0);
    await page.focus('#bands-canvas');
    await page.keyboard.press('End');
    expect(await page.getAttribute('#bands-canvas', 'aria-valuetext')).toContain('no owner');
    await page.keyboard.press('ArrowLeft');
    expect(await page.getAttribute('#bands-canvas', 'aria-valuenow')).toBe(String(3 * QUARTER));
    await page.keyboard.press('+');
    await page.keyboard.press('Home');
    expect(await page.textContent('#detail')).toContain('0x00000000–0x3fffffff');
  });

  it('lists the members with state, round trip, share, multicast and agreement', async () => {
    node.memberList[3] = member(4, 'gudgeon', { status: 'suspect', rttMs: null, digest: '1111111111111111' });
    const page = await open();
    await page.waitForSelector('.state.suspect');
    const rows = await page.locator('#members-body tr').allTextContents();
    expect(rows).toHaveLength(5);
    expect(rows[0]).toContain('this node');
    expect(rows[1]).toMatch(/cod.*192\.168\.7\.12:29999.*alive.*0\.42 ms.*25\.0 %.*both ways.*yes/s);
    expect(rows[3]).toMatch(/gudgeon.*suspect.*–.*differs/s);
    expect(rows[4]).toMatch(/roach.*alive.*1\.1 ms.*0 %.*we hear it.*yes/s);
    await page.fill('#ranges-filter', '0xc0000001');
    expect(await page.locator('#ranges-body tr').allTextContents()).toHaveLength(2);
    expect(await page.textContent('#ranges-summary')).toBe('2 matching of 9');
  });

  function troubled(): void {
    node.memberList[1] = member(2, 'cod', { status: 'suspect', lastSeenMs: 2900, tags: { rack: 'b' } });
    node.memberList[2] = member(3, 'eel', { status: 'down', lastSeenMs: 3_905_000, digest: null });
    node.memberList[4] = member(5, 'roach', { status: 'left', lastSeenMs: 86_400_000, digest: null });
    node.health = { score: 2, eventLoopLagMs: 340 };
    node.keys = [
      { id: '4e5f6a7b', primary: true, holders: 3 },
      { id: '0a1b2c3d', primary: false, holders: 2 },
    ];
    const dropped = (name: string, reasons: Record<string, number>): MetricFamily => ({
      name,
      help: 'x.',
      type: 'counter',
      samples: Object.entries(reasons).map(([reason, value]) => ({ labels: { reason }, value })),
    });
    node.families = [
      dropped('shoal_seal_dropped_total', {
        'bad-tag': 3,
        'unknown-key': 1204,
        'own-echo': 51_223,
        replayed: 0,
      }),
      dropped('shoal_socket_dropped_total', { 'send-error': 2 }),
      dropped('shoal_node_total', { newcomersRefused: 7, pushes: 99 }),
    ];
    node.warnings = [
      "10.0.0.9:29999 seals with a key that is not in this ring (key 99887766): the two cannot talk until one key is in both rings; see 'shoal keys list' on both, then 'shoal keys install'",
      'the event script /usr/local/lib/shoal/page-me failed, 3 times in a row: exit code 7; the log has what it wrote',
    ];
  }

  it('shows who is suspected, down or gone, the keys by id and holders, drops by reason, and warnings', async () => {
    troubled();
    const page = await open();
    await page.waitForSelector('.state.down');
    const rows = await page.locator('#members-body tr').allTextContents();
    expect(rows[1]).toMatch(/cod.*suspect.*2\.9 s/s);
    expect(rows[2]).toMatch(/eel.*down.*1 h 5 min/s);
    expect(rows[4]).toMatch(/roach.*left.*1 d/s);
    const facts = await page.textContent('#facts');
    expect(facts).toContain('1 suspect, 1 down, 1 left');
    expect(facts).toContain('score 2 of 8');
    expect(facts).toContain('with key 4e5f6a7b');
    expect(await page.locator('#keys li').allTextContents()).toEqual([
      '4e5f6a7bin useheld by 3 of 3 members',
      '0a1b2c3dopens onlyheld by 2 of 3 members',
    ]);
    expect(await page.locator('#keys .warn').count()).toBe(1);
    const drops = () => page.locator('#drops li').allTextContents();
    expect(await drops()).toEqual([
      '51,223own multicasts heard back: normal',
      '1,204sealed with a key that is not in the ring',
      '7new members that one host brought too many of',
      '3not sealed rightly: changed on the way, or forged',
      '2not sent: the network refused',
    ]);
    expect(await page.locator('#warnings li').allTextContents()).toEqual(node.warnings);
    const absent = await page.locator('#ranges-body tr.muted th').allTextContents();
    expect([...new Set(absent)].sort()).toEqual(['eeldown', 'roachleft']);
    node.families = node.families.map((family) => ({
      ...family,
      samples: family.samples.map((s) => ('value' in s && s.value === 3 ? { ...s, value: 25 } : s)),
    }));
    await eventually(
      async () => (await drops())[2] === '25not sealed rightly: changed on the way, or forged+22',
      'more',
    );
    await picture(page, 'trouble');
    const phone = await open({ viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 });
    await phone.waitForSelector('.state.down');
    expect(await phone.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
    await picture(phone, 'trouble-phone');
    const dark = await open({ viewport: { width: 1280, height: 900 }, colorScheme: 'dark' });
    await picture(dark, 'trouble-dark');
    node.keys = [];
    node.families = [];
    const quiet = await open();
    await quiet.waitForSelector('#drops li');
    expect(await quiet.textContent('#keys')).toBe('No key is set: nothing is sealed.');
    expect(await quiet.textContent('#drops')).toBe('Nothing was dropped.');
  });

  it('shows events as they happen, history included, and redraws what they change', async () => {
    node.emit('member-join', 2, {
      member: { status: 'alive', address: '192.168.7.12:29999' as Address, incarnation: 3, was: null },
    });
    const page = await open();
    await page.waitForSelector('#events [data-type="member-join"]');
    expect(isRed(await colourAt(page, 0xf8000000, ROW[0]))).toBe(true);
    node.register(5, 0xf0000000, 0xffffffff, 7);
    const range = { start: 0xf0000000, end: 0xffffffff, priority: 7 };
    node.emit('range-registered', 5, { range, origin: nodeId(5) });
    node.emit('owners-changed', 1, { range: { ...range, priority: null } });
    await page.waitForSelector('#events [data-type="range-registered"]');
    expect(await page.textContent('#events [data-type="range-registered"]')).toContain(
      'roach registered 0xf0000000–0xffffffff at priority 7',
    );
    const roach = await legendColour(page, 5);
    await eventually(async () => (await colourAt(page, 0xf8000000, ROW[0])) === roach, 'the gap closes');
    expect(await page.isHidden('#gaps')).toBe(true);
    expect(await page.textContent('#coverage-title')).toBe('Every position has at least 1 live owner');
  });

  it('shows hostile names as text and nothing else', async () => {
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    node.memberList[1] = member(2, hostile, { tags: { '<b>t</b>': '"><svg onload=alert(1)>' } });
    node.rangeList = [];
    node.register(2, 0, QUARTER, 2);
    node.warnings = ['<i>two nodes have one name</i>'];
    node.emit('member-update', 2);
    const page = await open();
    await page.waitForSelector('#events [data-type="member-update"]');
    await page.focus('#bands-canvas');
    await page.keyboard.press('Home');
    expect(await page.textContent('#detail')).toContain(hostile);
    expect(await page.textContent('#members-body')).toContain(hostile);
    expect(await page.textContent('#warnings')).toContain('<i>two');
    expect(await page.locator('main img, main script, main b, main i, main svg[onload]').count()).toBe(0);
    expect(await page.title()).toBe('perch · shoal');
  });

  it('fits a phone of 360 pixels, and wide screens in the dark', async () => {
    const long = 'a-name-of-sixty-four-bytes-that-nobody-would-type-but-some-will-x';
    node.memberList[2] = member(3, long, { tags: { rack: 'b', room: 'the-one-behind-the-stairs' } });
    node.warnings = [`${long}: started twice; stop one`];
    for (const [name, width, height, colorScheme] of [
      ['phone', 360, 740, 'light'],
      ['dark', 1920, 1080, 'dark'],
    ] as const) {
      const page = await open({ viewport: { width, height }, colorScheme, deviceScaleFactor: 2 });
      await page.waitForSelector('#propagation-plot canvas');
      const wide = await page.evaluate('document.documentElement.scrollWidth');
      expect(wide, name).toBeLessThanOrEqual(width);
      expect(await colourAt(page, 0.6 * QUARTER, ROW[0])).toBe(await legendColour(page, 1));
      await picture(page, name);
    }
  });

  it('draws 50,000 segments in shares, with the gap where it is', async () => {
    node.table = manySegments(50_000);
    const page = await open();
    await page.waitForFunction(`document.querySelector('#gaps-title').textContent.startsWith('1 gap')`);
    expect(await page.textContent('#keyspace-summary')).toContain('50,000 segments');
    expect(isRed(await colourAt(page, 2 ** 31, ROW[0]))).toBe(true);
    const column = await Promise.all(
      Array.from({ length: 11 }, (_, i) => colourAt(page, 0.3 * 2 ** 32, 11 + 5 * i)),
    );
    const owners = await Promise.all(NAMES.map((_, i) => legendColour(page, i + 1)));
    expect(new Set(column.filter((colour) => owners.includes(colour))).size).toBe(5);
    await picture(page, 'many');
    await page.click('#gaps-list button.range');
    expect(await page.textContent('#detail')).toContain('No live owner');
  });

  it('asks for the large tables again only when something changed, and for nothing while hidden', async () => {
    const page = await open({}, true);
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.clock.runFor(6000);
    await eventually(async () => asked.includes('/v1/status'), 'a poll');
    expect(asked).not.toContain('/v1/owners');
    await setVisibility(page, 'hidden');
    await page.waitForFunction(`document.querySelector('#events-state').textContent === 'paused'`);
    asked.length = 0;
    node.emit('owners-changed', 1);
    await page.clock.runFor(60_000);
    expect(asked).toEqual([]);
    await setVisibility(page, 'visible');
    await page.waitForSelector('#events [data-type="owners-changed"]');
  });

  it('says when the daemon is gone, and goes on by itself when it is back', async () => {
    const page = await open();
    await server.close();
    await page.waitForSelector('#banner:not([hidden])');
    expect(await page.textContent('#banner')).toContain('Connection lost, trying again');
    await picture(page, 'lost');
    node.isReady = true;
    node.history.length = 0;
    ({ server } = await servePage(node, port));
    await page.waitForSelector('#banner', { state: 'hidden' });
    node.emit('member-down', 5);
    await page.waitForSelector('#events [data-type="member-down"]');
    // Connections that were refused meanwhile.
    browser.problems = browser.problems.filter((text) => !text.includes('net::ERR'));
  });
});
