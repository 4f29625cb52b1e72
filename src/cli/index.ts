/**
 * cli: the command line. One file per verb under verbs/, as in serf; `main.ts` is what bin/shoal runs.
 *
 * A verb checks its arguments strictly, makes one HTTP call over the daemon's Unix socket (or TCP), and prints the answer:
 * as text for people, or with --json as it came, for programs. It decides nothing itself: filters and formats only.
 *
 * It does not know how a daemon works; `agent` and `dev` hand over to the `daemon` room, which is loaded only then.
 * The shapes of the answers are `node/contract.ts`, the types-only door, since they are the JSON of HTTP version 1.
 *
 * In: argv and a CliIo, the world outside (streams, environment, files, Ctrl-C), so that tests run every verb in their
 * own process against a server of theirs. Out: an exit code. 0 done; 1 the daemon said no, or the answer is no; 2 bad
 * usage, found before anything is sent; 3 no daemon there, or none that answers.
 *
 * Invariants: an error is one line on standard error, without a stack, and says what to do. Standard output has only
 * what was asked for: headers, remarks and colours are for terminals. What strangers named (members, tags) is printed
 * without control characters. No request waits without a limit (--timeout), but for the stream of `monitor`.
 *
 * Where the daemon is: --socket or --url; SHOAL_SOCKET or SHOAL_URL; the socket of an agent without flags; the systemd
 * unit's socket; and for verbs that change nothing the default HTTP port.
 *
 * `bench` (bench/) is the one verb that asks no daemon over HTTP but a store over the Redis protocol: clients that send and count
 * (load.ts, client.ts), latencies in a histogram of fixed size (histogram.ts), CLUSTER SLOTS (slots.ts).
 *
 * describeProgram() gives the whole command line as data: man pages and completions are made from it (deploy/package).
 *
 * Tests: cli.test.ts (every verb against a small server), http-client.test.ts, event-stream.test.ts, layout.test.ts, bench/*.test.ts.
 */
export {
  describeProgram,
  type OptionDescription,
  type ProgramDescription,
  type VerbDescription,
} from './describe.ts';
export type { CliIo, DaemonDoor } from './io.ts';
export { run } from './run.ts';
