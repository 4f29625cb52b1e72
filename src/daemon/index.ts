/**
 * daemon: the composition root. The only room that knows all the others: it puts the node on the driver, the HTTP edge
 * beside it, and both under the rules of a Unix service. Three programs come out of one composition (`Agent`):
 *
 * - `runAgent`: `shoal agent`. Log, state directory, sockets, HTTP, signals, the `ready` line, systemd.
 * - `runDev`: `shoal dev`. Several agent processes on loopback, one table, one stream of events, nothing left behind.
 * - `library.ts`: the agent inside a Node.js program (`import { createAgent } from 'shoal'`), built on its own.
 *
 * Beside the node run event scripts (`hooks.ts`, one run of `hook-run.ts` at a time for each script): bounded queues,
 * a time limit, a process group of its own, and nothing of the agent's secrets in the environment.
 *
 * What it does not do: parse flags (`cli`), decide settings (`config`), or anything about membership (`node`).
 *
 * In: an AgentConfig. Out: an exit code. Called by `cli`.
 *
 * Invariants. `ready` is logged once, after everything that was asked for serves. SIGTERM and SIGINT announce `left`,
 * release nothing and end the process within 2 s whatever hangs; nothing that was acknowledged is lost thereby, because
 * it is in the journal. A second signal ends it at once. The library installs no signal handler and never exits.
 * An agent with an IPC channel ends with its parent, so that `kill -9` of `shoal dev` leaves no process.
 *
 * Exit codes: 0 stopped; 1 the machine is at fault, so that a restart may help (a taken port, a missing or unwritable
 * directory), or a mistake in the program; 2 a setting is wrong, or a file it names cannot be read (`config`,
 * `http_token_file`); 130 and 143 a second signal.
 *
 * Tests: service, dev-group, hooks and library-options here; the rest is end to end: test/e2e/{lifecycle,group,dev,hooks,library}.test.ts.
 */
export { type DevOptions, runDev } from './dev.ts';
export { type Reload, type RunOptions, runAgent } from './run.ts';
export { VERSION } from './version.ts';
