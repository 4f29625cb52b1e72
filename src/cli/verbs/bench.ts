import { systemReason } from '../../base/index.ts';
import { Load, type Result } from '../bench/load.ts';
import { DEFAULT_SECONDS, readPlans } from '../bench/options.ts';
import type { Plan } from '../bench/plan.ts';
import { planLine, progressLine, resultJson, resultLines, urlOf } from '../bench/report.ts';
import { Refused } from '../bench/socket.ts';
import { EXIT, VerbError } from '../errors.ts';
import { ProgressLine } from '../progress.ts';
import type { Shell } from '../shell.ts';
import type { Verb } from '../verb.ts';

const PROGRESS_MS = 1000;

export const bench: Verb = {
  usage: 'bench',
  summary: 'put a load of SETs and GETs on a store, and print rates and latencies',
  details:
    'It asks the store over the Redis protocol, this or any other server, and needs no daemon. It writes keys key:000000000000 and up, ' +
    'as redis-benchmark does: not for a store whose keys of that name are needed. A command waits until its whole pipeline ' +
    'is sent; with --rate its latency counts from when it was due. Ctrl-C ends it and prints what there is so far. A password may be in ' +
    'REDISCLI_AUTH. Exit code 1 when the server refused any command.',
  examples: [
    ['shoal bench', `${DEFAULT_SECONDS} seconds on this machine's node, one SET to one GET`],
    ['shoal bench --pipeline 64 --requests 5000000 --ratio 1:10', 'as fast as it goes, mostly GETs'],
    ['shoal bench -c 50 -P 16 -n 1000000 -r 1000000 -t set,get', 'as redis-benchmark would be told'],
    ['shoal bench --rate 20000 --ack 1m1d --ratio 1:0', 'latency of SETs that are on disk, at a steady rate'],
    [
      'shoal bench --cluster --url redis://192.0.2.1:29979 --seconds 60',
      'every node, each with its own keys',
    ],
  ],
  asksDaemon: false,
  options: (command) =>
    command
      .option('--url <url>', 'redis://[[USER]:PASSWORD@]HOST:PORT; default redis://127.0.0.1:29979')
      .option('-c, --clients <n>', 'connections; default 50')
      .option('-P, --pipeline <n>', 'commands under way on each; default 1')
      .option('-d, --size <bytes>', 'bytes of a value; default 100')
      .option('-r, --keys <n>', 'how many different keys; default 1000000')
      .option('-n, --requests <n>', 'stop after so many commands')
      .option('--seconds <s>', `stop after so many seconds; default ${DEFAULT_SECONDS}`)
      .option('--ratio <set:get>', 'so many SETs to so many GETs; default 1:1')
      .option('-t, --tests <list>', 'instead of a mix, one after the other: set, get, or set,get')
      .option('--rate <n>', 'commands per second in all; default as many as go')
      .option('--cluster', 'ask CLUSTER SLOTS, and each node for its own keys')
      .option('--ack <level>', 'machines that hold a write before it is answered, like 1m1d (shoal only)')
      .option('--json', 'print JSON, for programs'),
  run: async (shell, _args, options) => {
    const stop = shell.io.interrupted();
    let code: number = EXIT.done;
    for (const plan of readPlans(options, shell.io.env.REDISCLI_AUTH)) {
      if (stop.aborted) break;
      const { tally, commands } = await put(shell, plan, stop);
      if (tally.errorCount > 0 || commands === 0) code = EXIT.no;
    }
    return code;
  },
};

/** One load, with a line that tells how far it is. */
async function put(shell: Shell, plan: Plan, stop: AbortSignal): Promise<Result> {
  const load = new Load(plan);
  const line = new ProgressLine(shell.io);
  if (!shell.json) shell.line(planLine(plan));
  let before = { seconds: 0, commands: 0 };
  const progress = setInterval(() => {
    const now = load.result();
    line.show(progressLine(now, before));
    before = now;
  }, PROGRESS_MS);
  try {
    const result = await load.run(stop);
    line.clear();
    shell.answer(resultJson(result), () => resultLines(result));
    return result;
  } catch (error) {
    line.clear();
    throw explained(error as Error, urlOf(plan));
  } finally {
    clearInterval(progress);
  }
}

function explained(error: Error, url: string): VerbError {
  if (error instanceof Refused) {
    const advice = /^(NOAUTH|WRONGPASS)/.test(error.message)
      ? ': give the password in --url or REDISCLI_AUTH'
      : '';
    return new VerbError(EXIT.no, `${url} says ${error.message.replace(/\.$/, '')}${advice}`);
  }
  return new VerbError(
    EXIT.noDaemon,
    `no store to ask at ${url} (${systemReason(error)}): is it running? --url names another`,
  );
}
