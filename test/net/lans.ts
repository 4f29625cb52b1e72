/**
 * The test bed's network by itself: LANs, a router and faults of one Linux machine's network namespaces
 * (testbed/netns.sh), for the tests (bed.ts) and the chaos runner (test/chaos). Needs root, iproute2, iptables, nftables
 * and python3. Run from the root of the repository.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const NETNS = resolve('test/net/testbed/netns.sh');
const TOOLS = { ip: 'iproute2', iptables: 'iptables', nft: 'nftables', python3: 'python3' } as const;
export const GOSSIP_PORT = 29999;

/** The network tools are in directories that a user's PATH may lack. */
export const PATH = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

const run = promisify(execFile);

function netnsEnvironment(prefix: string): NodeJS.ProcessEnv {
  return { ...process.env, PATH, SHOAL_BED_PREFIX: prefix };
}

/** @throws Error when a tool is missing: root asked for these tests. */
export function checkTools(): void {
  const missing = Object.entries(TOOLS).filter(([tool]) => !onPath(tool));
  if (missing.length === 0) return;
  const tools = missing.map(([tool]) => tool).join(', ');
  const packages = missing.map(([, name]) => name).join(' ');
  throw new Error(`test/net needs ${tools}: apt-get install ${packages}`);
}

function onPath(tool: string): boolean {
  return PATH.split(':').some((directory) => directory !== '' && existsSync(join(directory, tool)));
}

/** A1, A2, ... on LAN A; B1, ... on LAN B, behind the router. */
export function nodeNames(a: number, b: number): string[] {
  const lan = (letter: string, size: number): string[] =>
    Array.from({ length: size }, (_, i) => `${letter}${i + 1}`);
  return [...lan('a', a), ...lan('b', b)];
}

export function addressOf(node: string): string {
  const lan = node.startsWith('a') ? 0 : 1;
  return `10.77.${lan}.${10 + Number(node.slice(1))}`;
}

export function gossipOf(node: string): string {
  return `${addressOf(node)}:${GOSSIP_PORT}`;
}

/** What a node's firewall drops of what comes in. */
export interface Drops {
  readonly from: readonly string[];
  readonly lossPercent: number;
  readonly multicast: boolean;
}

/** Owns the namespaces whose names begin with its prefix, until `down`. */
export class Lans {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** A command of netns.sh: `up 5 3`, `loss a1 20`, `split 'a1 a2' 'a3'`, `heal`, ... */
  async net(...args: readonly (string | number)[]): Promise<void> {
    await run('bash', [NETNS, ...args.map(String)], { env: netnsEnvironment(this.prefix) });
  }

  /** For an exit handler. */
  downNow(): void {
    spawnSync('bash', [NETNS, 'down'], { env: netnsEnvironment(this.prefix) });
  }

  /** Sets a node's loss and cuts, all at once: quicker than single commands, and faults come and go by themselves. */
  async drop(node: string, { from, lossPercent, multicast }: Drops): Promise<void> {
    const rules = [
      '*filter',
      ':SHCUT - [0:0]',
      ':SHLOSS - [0:0]',
      ...from.map((other) => `-A SHCUT -s ${addressOf(other)} -j DROP`),
      ...(multicast ? ['-A SHCUT -d 224.0.0.0/4 -j DROP'] : []),
      ...(lossPercent > 0
        ? [`-A SHLOSS -m statistic --mode random --probability ${lossPercent / 100} -j DROP`]
        : []),
      'COMMIT',
      '',
    ].join('\n');
    await this.#feed(node, ['iptables-restore', '--noflush'], rules);
  }

  #feed(node: string, command: readonly string[], input: string): Promise<void> {
    return new Promise((done, fail) => {
      const child = spawn('ip', ['netns', 'exec', `${this.prefix}${node}`, ...command], {
        stdio: ['pipe', 'ignore', 'pipe'],
        env: { ...process.env, PATH },
      });
      let errors = '';
      child.stderr.on('data', (chunk) => {
        errors += chunk;
      });
      child.once('error', fail);
      child.once('close', (code) => {
        if (code === 0) done();
        else fail(new Error(`${command.join(' ')} on ${node}: exit code ${code}: ${errors.trim()}`));
      });
      child.stdin.end(input);
    });
  }
}

/** Takes down networks of this prefix, and of `<letters>-<pid>-` where that process is no more. */
export async function removeOldLans(prefix: string, letters: string): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'list'], { env: { ...process.env, PATH } });
  const prefixes = new Set<string>();
  const pattern = new RegExp(`^${letters}-(\\d+)-`);
  for (const line of stdout.split('\n')) {
    const pid = pattern.exec(line)?.[1];
    if (line.startsWith(prefix)) prefixes.add(prefix);
    else if (pid !== undefined && !existsSync(`/proc/${pid}`)) prefixes.add(`${letters}-${pid}-`);
  }
  for (const old of prefixes) await new Lans(old).net('down');
}
