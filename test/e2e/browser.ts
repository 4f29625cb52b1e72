/**
 * Debian's chromium, for the tests of the status page; without it they are skipped, except under CI, where that is a
 * failure. SHOAL_SCREENSHOTS=DIR keeps pictures for a person to look at.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const CHROMIUM = '/usr/bin/chromium';
export const installed = existsSync(CHROMIUM);
if (!installed && process.env.CI === 'true')
  throw new Error(`${CHROMIUM} is missing: apt-get install chromium`);
if (!installed)
  console.warn(`the status page is not tested: ${CHROMIUM} is missing (apt-get install chromium)`);

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser, what its pages complained of, and whom they asked besides the node. */
export class PageBrowser {
  readonly #browser: Browser;
  problems: string[] = [];
  #foreign: string[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(): Promise<PageBrowser> {
    return new PageBrowser(await chromium.launch({ executablePath: CHROMIUM, args: ARGS }));
  }

  /** A page of its own context. `script` runs in it first; `ownClock`: its time is the test's. */
  async open(
    address: string,
    options: BrowserContextOptions = {},
    { script, ownClock = false }: { readonly script?: string; readonly ownClock?: boolean } = {},
  ): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    if (script !== undefined) await context.addInitScript(script);
    const page = await context.newPage();
    if (ownClock) await page.clock.install();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => this.problems.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.problems.push(message.text());
    });
    page.on('request', (request) => {
      if (new URL(request.url()).host !== address) this.#foreign.push(request.url());
    });
    await page.goto(`http://${address}/`);
    await page.waitForSelector('#members-body tr[data-node]');
    await page.waitForSelector('#legend li');
    return page;
  }

  async picture(page: Page, name: string): Promise<void> {
    const directory = process.env.SHOAL_SCREENSHOTS;
    if (directory) await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
  }

  async closePages(): Promise<void> {
    for (const context of this.#browser.contexts()) await context.close();
  }

  /** Nothing went wrong in any page since the last time, and none asked another host. */
  expectCalm(): void {
    const [foreign, problems] = [this.#foreign, this.problems];
    this.#foreign = [];
    this.problems = [];
    expect(foreign).toEqual([]);
    expect(problems).toEqual([]);
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}

/** Polls: what a page shows follows the data by at most half a second and a frame. */
export async function eventually(
  condition: () => Promise<boolean>,
  what: string,
  withinMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
