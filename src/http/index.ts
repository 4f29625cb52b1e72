/**
 * http: the node's window. Status API version 1 (INTERFACE.md), server-sent events, Prometheus metrics, health checks
 * and the files of the status page, on `node:http` alone (fastify idles 24 MB higher).
 *
 * One table (`routes.ts`) has a row per call; a request walks one path: guard, route, authority, query, body, call,
 * reply. Every input is checked by hand-written checks (`check.ts`) before the node sees it, and what the node answers
 * is sent as it stands: the shapes of `node/contract.ts` are the JSON.
 *
 * What it does not know: how the node works, where settings come from, what the page shows (its files are a parameter).
 *
 * Inputs: NodeApi, the page's files, a TCP address and a socket path (either may be null), a token, a log.
 * Outputs: replies; counters, inside `/metrics`. Called by `daemon`; `cli` is its client.
 *
 * Who may do what. The Unix socket is mode 0600 from the moment it exists: whoever can open it is the operator, and
 * every call is his. TCP serves GET and HEAD; a write needs `Authorization: Bearer TOKEN`, compared in constant time.
 * There are no cookies and no CORS headers, so a foreign web page can neither write nor read an answer. Two doors stay
 * that a loopback port should shut. A foreign name that is made to resolve to 127.0.0.1 (DNS rebinding) would make the
 * answers same-origin, so the Host header must be an IP address, localhost, or a name of this machine; bound beyond
 * loopback, also a name without dots or in a domain that only exists locally. And a foreign page could hold event
 * streams open blindly, so what a browser marks `Sec-Fetch-Site: cross-site` is refused unless it is a navigation.
 * A valid token passes both.
 *
 * Bounds: connections, body, waiters, watchers and watcher backlog are in LIMITS; a request must arrive within 10 s
 * (looked at every 5 s); a reader that takes nothing for 30 s is cut off. Each listener has a lane of its own
 * (`lane.ts`), and places for watchers and waiters that TCP cannot take: reading over TCP, which needs no authority, must
 * neither stall the loop (peers would call the node down) nor keep the operator out. Lists are made one at a time, with
 * rests after long making, and written in 64 KB pieces as the reader takes them, one piece in each turn of the loop. Few
 * are under way at once (the next is told 503 and Retry-After, unless a reader has slept for 5 s, which is cut off), and
 * all share the node's table. The surplus of a refused body is read off and dropped (closing at once would reset the
 * connection under the answer), up to LIMITS.httpDiscardBytes, then the connection ends.
 * Idle, there is no timer but node:http's own, every 5 s per listener; the heartbeat runs only while someone watches.
 *
 * Departures: `Last-Event-ID` above the newest event is from this node's former process, so the whole history is sent.
 * Tests, all on real sockets with the fake node of `fake-node.ts`: `http.test.ts` (every call, every code, foreign
 * pages), `hostile.test.ts` (bad input, endless, slow, crowds), `lane.test.ts` (crowds of readers), `listen.test.ts`, `events.test.ts`, `metrics.test.ts`.
 */
export type { HttpLog, HttpServer, HttpServerOptions, PageFiles } from './server.ts';
export { createHttpServer } from './server.ts';
