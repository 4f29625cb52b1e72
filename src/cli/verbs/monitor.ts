import { EVENT_TYPES, type EventType, type EventView } from '../../node/contract.ts';
import { EXIT, usage, VerbError } from '../errors.ts';
import { EventStreamParser } from '../event-stream.ts';
import { clean } from '../layout.ts';
import type { Shell } from '../shell.ts';
import type { Verb } from '../verb.ts';
import { pause } from '../wait.ts';

/** The daemon sends a heartbeat several times within this; a silent stream is a dead one. */
const SILENCE_MS = 60_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;

export const monitor: Verb = {
  usage: 'monitor',
  summary: 'events as they happen, until Ctrl-C; one JSON object a line with --json',
  details: `Keys are named by their ids. Comes back by itself when the daemon restarts. Types: ${EVENT_TYPES.join(', ')}.`,
  examples: [
    ['shoal monitor', 'everything'],
    ['shoal monitor --filter member-down --filter member-join', 'only these types'],
    ['shoal monitor --json | jq .subject', 'for programs'],
  ],
  asksDaemon: true,
  options: (command) =>
    command.option(
      '--filter <type>',
      'only this type of event; may be repeated',
      (type: string, all: string[] = []) => [...all, type],
    ),
  run: async (shell, _args, options) => {
    const types = (options.filter as string[] | undefined) ?? [];
    for (const type of types) {
      if (!EVENT_TYPES.some((known) => known === type)) {
        throw usage(`--filter: no event '${clean(type.slice(0, 40))}': one of ${EVENT_TYPES.join(', ')}`);
      }
    }
    const query = [...new Set(types)].map((type) => `type=${type}`).join('&');
    await follow(shell, query === '' ? '/v1/events' : `/v1/events?${query}`);
    return EXIT.done;
  },
};

/** Reads streams, one after the other, until Ctrl-C. Only the first one must open. */
async function follow(shell: Shell, path: string): Promise<void> {
  const client = shell.client(true);
  const stop = shell.io.interrupted();
  let lastId: string | null = null;
  let opened = false;
  let retryMs = FIRST_RETRY_MS;
  while (!stop.aborted) {
    try {
      const stream = await client.openEvents(path, lastId, stop);
      if (opened) shell.note('connected again');
      opened = true;
      retryMs = FIRST_RETRY_MS;
      stream.setTimeout(SILENCE_MS, () => stream.destroy());
      stream.setEncoding('utf8');
      const parser = new EventStreamParser();
      for await (const piece of stream as AsyncIterable<string>) {
        for (const { id, data } of parser.push(piece)) {
          lastId = id ?? lastId;
          printEvent(shell, data);
        }
      }
    } catch (error) {
      if (stop.aborted) return;
      if (!opened) throw error;
      if (error instanceof VerbError && error.exitCode === EXIT.usage) throw error;
    }
    if (stop.aborted) return;
    if (retryMs === FIRST_RETRY_MS) shell.note('the daemon is gone: waiting for it to come back');
    await pause(retryMs, stop);
    retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
  }
}

function printEvent(shell: Shell, data: string): void {
  const event = JSON.parse(data) as EventView;
  if (shell.json) shell.printJson(event);
  else shell.line(eventLine(shell, event));
}

function eventLine(shell: Shell, event: EventView): string {
  const { paint } = shell;
  const parts = [
    paint.dim(event.time),
    colourOf(shell, event.type)(event.type.padEnd(16)),
    clean(event.name),
  ];
  if (event.range !== undefined) {
    const { start, end, priority } = event.range;
    parts.push(`${start}-${end}${priority === null ? '' : ` priority ${priority}`}`);
  }
  if (event.member !== undefined) parts.push(`${event.member.status} at ${clean(event.member.address)}`);
  if (event.keys !== undefined) parts.push(`keys ${event.keys.map(clean).join(' ')}, the first in use`);
  if (event.origin !== null && event.origin !== event.subject) parts.push(paint.dim(`by ${event.origin}`));
  return parts.join('  ');
}

function colourOf(shell: Shell, type: EventType): (text: string) => string {
  const { paint } = shell;
  if (type === 'member-down') return paint.red;
  if (type === 'member-suspect' || type === 'range-released' || type === 'keys-changed') return paint.yellow;
  if (type === 'member-join' || type === 'range-registered') return paint.green;
  return String;
}
