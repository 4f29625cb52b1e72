/// <reference types="node" />
/** The page's stream against the real HTTP edge. */
import { expect, it } from 'vitest';
import { LIMITS } from '../../base/index.ts';
import { ask, run, until } from '../fake-node.ts';
import { Stream } from './assets/stream.js';

it.each([true, false])(
  'the page\u2019s stream, closed in a burst of 20,000 changes, comes back and has the page read anew what it missed (had seen an event: %s)',
  async (sawOne) => {
    const running = await run();
    const { node, port } = running;
    const closed = async (): Promise<boolean> =>
      !(await ask(port, 'GET', '/metrics')).text.includes('\nshoal_http_slow_watchers_closed_total 0\n');
    const realFetch = globalThis.fetch;
    globalThis.fetch = (path, init) => realFetch(`http://127.0.0.1:${port}${path}`, init);
    const seen: number[] = [];
    let missed = 0;
    const page = new Stream(
      (events) => seen.push(...events.map((event) => event.id)),
      () => {},
      () => {
        missed++;
      },
    );
    try {
      void page.open();
      await until(() => node.listeners.size === 1, 'the page watches');
      if (sawOne) {
        node.emit('member-join');
        await until(() => seen.length === 1, 'the page sees an event');
      }
      for (let i = 0; i < 20_000; i++) node.emit('range-registered', 'x'.repeat(64));
      expect(node.listeners.size).toBe(0);
      const newest = node.history.at(-1)?.id ?? 0;
      node.history.splice(0, newest - LIMITS.eventHistory);
      expect(await closed()).toBe(true);
      await until(() => seen.at(-1) === newest, 'the page is up to date');
      expect(missed).toBe(1);
      expect(seen.slice(-LIMITS.eventHistory)).toEqual(node.history.map((event) => event.id));
      expect(new Set(seen).size).toBe(seen.length);
      node.emit('member-down');
      await until(() => seen.at(-1) === newest + 1, 'the page goes on');
      expect(missed).toBe(1);
    } finally {
      page.pause();
      globalThis.fetch = realFetch;
      await running.stop();
    }
  },
);
