/**
 * page: the status page at `/`, as a map from URL path to file, for the HTTP server to serve as it stands.
 *
 * Intuition: what an operator wants at a glance is the key space: who owns what, in which order, and where nobody does.
 * So the bands come first, gaps in red, and around them the group's members, its events and how fast changes spread.
 * The page is a reader of HTTP version 1 like any other: it asks `/v1/status members owners ranges propagation drops
 * store store/history store/slowlog`, `/readyz`, and follows `/v1/events`; it needs nothing else of the daemon and writes nothing.
 *
 * The browser gets plain ES modules and CSS, as they are in `assets/`: no build, no framework, no other host. Everything
 * works under the policy `default-src 'self'`: no inline script or style; elements are styled through the CSSOM only.
 *
 * Bounds: tables show at most 300 members, 200 registrations, 100 events, 50 gaps, 50 slow commands, 30 reasons of drops and say when there is more. Refetching
 * takes at most a fifth of the time (`feed.js`), drawing is linear in the segments in view. Nothing is asked while the
 * page is hidden. Names and tags are hostile input: they go into text nodes only (`dom.js`).
 *
 * Files reach the bundle as text by `?raw` imports: vite's way, done for esbuild in `esbuild.config.mjs`. They are
 * checked as JavaScript with types by `tsc -p src/http/page`. Tests: `test/e2e/page.test.ts` in a real browser, and
 * `assets.test.ts` for what needs none.
 */
/// <reference path="./raw.d.ts" />
import bands from './assets/bands.js?raw';
import colour from './assets/colour.js?raw';
import coverage from './assets/coverage.js?raw';
import cursor from './assets/cursor.js?raw';
import dom from './assets/dom.js?raw';
import events from './assets/events.js?raw';
import favicon from './assets/favicon.svg?raw';
import feed from './assets/feed.js?raw';
import format from './assets/format.js?raw';
import keyspaceCss from './assets/keyspace.css?raw';
import keyspace from './assets/keyspace.js?raw';
import members from './assets/members.js?raw';
import overview from './assets/overview.js?raw';
import css from './assets/page.css?raw';
import html from './assets/page.html?raw';
import page from './assets/page.js?raw';
import plot from './assets/plot.js?raw';
import propagation from './assets/propagation.js?raw';
import ranges from './assets/ranges.js?raw';
import security from './assets/security.js?raw';
import storeCss from './assets/store.css?raw';
import store from './assets/store.js?raw';
import stream from './assets/stream.js?raw';
import tablesCss from './assets/tables.css?raw';
import uplotCss from './vendor/uplot.css?raw';
import uplot from './vendor/uplot.js?raw';
import uplotLicence from './vendor/uplot.LICENSE?raw';

export interface PageFile {
  readonly contentType: string;
  readonly body: string;
}

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

const modules = {
  bands,
  colour,
  coverage,
  cursor,
  dom,
  events,
  feed,
  format,
  keyspace,
  members,
  overview,
  page,
  plot,
  propagation,
  ranges,
  security,
  store,
  stream,
};

/** Keyed by URL path. */
export const pageFiles: ReadonlyMap<string, PageFile> = new Map([
  ['/', { contentType: TYPES.html, body: html }],
  ['/page.css', { contentType: TYPES.css, body: css }],
  ['/keyspace.css', { contentType: TYPES.css, body: keyspaceCss }],
  ['/tables.css', { contentType: TYPES.css, body: tablesCss }],
  ['/store.css', { contentType: TYPES.css, body: storeCss }],
  ['/favicon.svg', { contentType: TYPES.svg, body: favicon }],
  ['/vendor/uplot.css', { contentType: TYPES.css, body: uplotCss }],
  ['/vendor/uplot.js', { contentType: TYPES.js, body: `/*\n${uplotLicence}\n*/\n${uplot}` }],
  ...Object.entries(modules).map(([name, body]): [string, PageFile] => [
    `/${name}.js`,
    { contentType: TYPES.js, body },
  ]),
]);
