import type { Call } from '../call.ts';
import type { Client } from '../client.ts';
import { SYNTAX } from './errors.ts';

const TYPES = ['normal', 'master', 'replica', 'slave', 'pubsub'];

export function typeOf(client: Client): 'normal' | 'pubsub' {
  return client.subscriptions > 0 ? 'pubsub' : 'normal';
}

export function isClientType(word: string): boolean {
  return TYPES.includes(word);
}

export function clientList(call: Call): void {
  const clients = selected(call);
  if (typeof clients === 'string') call.reply.error(clients);
  else call.reply.verbatim(clients.map((client) => `${clientLine(call, client)}\n`).join(''));
}

function selected(call: Call): Client[] | string {
  const all = [...call.server.clients.values()];
  if (call.count === 2) return all;
  if (call.count === 4 && call.is(2, 'TYPE')) {
    const type = call.text(3).toLowerCase();
    if (!isClientType(type)) return `ERR Unknown client type '${call.shown(3)}'`;
    return all.filter((client) => typeOf(client) === type);
  }
  if (call.count < 4 || !call.is(2, 'ID')) return SYNTAX;
  // Each once, however often it is asked for.
  const found = new Set<Client>();
  for (let i = 3; i < call.count; i++) {
    const id = call.integer(i);
    if (id === null) return 'ERR Invalid client ID';
    const client = call.server.clients.get(id);
    if (client !== undefined) found.add(client);
  }
  return [...found];
}

/** One client as CLIENT LIST shows it. */
export function clientLine(call: Call, client: Client): string {
  const ms = (from: number): number => Math.max(0, Math.floor((call.nowMs - from) / 1000));
  const waiting = client.outlet.waitingBytes;
  const queued = client.request.pendingBytes;
  const fields: Record<string, string | number> = {
    id: client.id,
    addr: client.address,
    laddr: client.localAddress,
    fd: client.id,
    name: client.name,
    age: ms(client.connectedMs),
    idle: ms(client.lastMs),
    flags: flagsOf(client),
    db: 0,
    sub: client.channels.size,
    psub: client.patterns.size,
    ssub: client.shardChannels.size,
    multi: client.transaction?.count ?? -1,
    watch: client.watched.size,
    qbuf: queued,
    'qbuf-free': 0,
    'argv-mem': 0,
    'multi-mem': client.transaction?.length ?? 0,
    rbs: 0,
    rbp: 0,
    obl: 0,
    oll: 0,
    omem: waiting,
    'tot-mem': queued + waiting + (client.transaction?.length ?? 0),
    events: 'r',
    cmd: client.last === null ? 'NULL' : client.last.name,
    user: client.user,
    redir: -1,
    resp: client.version,
    'lib-name': client.libraryName,
    'lib-ver': client.libraryVersion,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function flagsOf(client: Client): string {
  let flags = '';
  if (client.isMonitor) flags += 'O';
  if (client.subscriptions > 0) flags += 'P';
  if (client.transaction !== null) flags += 'x';
  if (client.blocked !== null) flags += 'b';
  if (client.watchesStale) flags += 'd';
  if (client.closing) flags += 'c';
  if (client.noEvict) flags += 'e';
  if (client.noTouch) flags += 'T';
  return flags === '' ? 'N' : flags;
}
