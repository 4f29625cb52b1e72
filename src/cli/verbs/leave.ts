import { EXIT, VerbError } from '../errors.ts';
import type { HttpClient } from '../http-client.ts';
import { describeTarget } from '../target.ts';
import type { Verb } from '../verb.ts';
import { pause } from '../wait.ts';

const POLL_MS = 25;

export const leave: Verb = {
  usage: 'leave',
  summary: 'leave the group and stop the daemon; waits until it is gone',
  details: 'The ranges of this node stay in the map, for when it comes back; --release gives them up.',
  examples: [
    ['shoal leave', 'for a while: the ranges are kept'],
    ['shoal leave --release', 'for good'],
  ],
  asksDaemon: true,
  options: (command) => command.option('--release', "release this node's ranges first"),
  run: async (shell, _args, options) => {
    const client = shell.client(false);
    const stop = AbortSignal.timeout(client.timeoutMs);
    const answer = await client.call('POST', '/v1/leave', { release: options.release === true });
    await untilGone(client, stop);
    shell.answer(answer, () => ['left']);
    return EXIT.done;
  },
};

async function untilGone(client: HttpClient, stop: AbortSignal): Promise<void> {
  while (await client.isThere()) {
    if (stop.aborted) {
      throw new VerbError(
        EXIT.no,
        `left, but the daemon at ${describeTarget(client.target)} has not stopped within ${client.timeoutMs / 1000} s: see its log`,
      );
    }
    await pause(POLL_MS, stop);
  }
}
