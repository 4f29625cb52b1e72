import type { Call } from '../call.ts';
import type { Client } from '../client.ts';
import { isClientType, typeOf } from './client-list.ts';
import { SYNTAX } from './errors.ts';
import { LEVEL_USER } from './name.ts';

interface Filters {
  id?: number;
  address?: string;
  localAddress?: string;
  type?: string;
  user?: string;
  maxAge?: number;
  skipsSelf: boolean;
}

/** `CLIENT KILL addr`, or `CLIENT KILL` with filters that must all fit. */
export function killClients(call: Call): void {
  const { reply, server } = call;
  if (call.count === 3) {
    const address = call.text(2);
    const found = [...server.clients.values()].find((client) => client.address === address);
    if (found === undefined) reply.error('ERR No such client');
    else {
      end(call, found);
      reply.ok();
    }
    return;
  }
  const filters = read(call);
  if (typeof filters === 'string') {
    reply.error(filters);
    return;
  }
  let ended = 0;
  for (const client of [...server.clients.values()]) {
    if (!fits(call, client, filters)) continue;
    end(call, client);
    ended++;
  }
  reply.integer(ended);
}

/** Itself it ends after the answer. */
function end(call: Call, client: Client): void {
  if (client !== call.client) client.outlet.cut();
  else {
    client.closing = true;
    call.halt = true;
  }
}

function fits(call: Call, client: Client, filters: Filters): boolean {
  if (filters.skipsSelf && client === call.client) return false;
  if (filters.id !== undefined && client.id !== filters.id) return false;
  if (filters.address !== undefined && client.address !== filters.address) return false;
  if (filters.localAddress !== undefined && client.localAddress !== filters.localAddress) return false;
  if (filters.type !== undefined && typeOf(client) !== filters.type) return false;
  if (filters.user !== undefined && client.user !== filters.user) return false;
  return filters.maxAge === undefined || call.nowMs - client.connectedMs >= filters.maxAge * 1000;
}

function read(call: Call): Filters | string {
  const filters: Filters = { skipsSelf: true };
  for (let i = 2; i < call.count; i += 2) {
    if (i + 1 >= call.count) return SYNTAX;
    const value = call.text(i + 1);
    if (call.is(i, 'ID')) {
      const id = call.integer(i + 1);
      if (id === null || id < 1) return 'ERR client-id should be greater than 0';
      filters.id = id;
    } else if (call.is(i, 'ADDR')) filters.address = value;
    else if (call.is(i, 'LADDR')) filters.localAddress = value;
    else if (call.is(i, 'TYPE')) {
      filters.type = value.toLowerCase();
      if (!isClientType(filters.type)) return `ERR Unknown client type '${call.shown(i + 1)}'`;
    } else if (call.is(i, 'USER')) {
      if (value !== 'default' && !value.startsWith(LEVEL_USER))
        return `ERR No such user '${call.shown(i + 1)}'`;
      filters.user = value;
    } else if (call.is(i, 'MAXAGE')) {
      const age = call.integer(i + 1);
      if (age === null || age < 1) return 'ERR maxage is not an integer or out of range';
      filters.maxAge = age;
    } else if (call.is(i, 'SKIPME') && /^(yes|no)$/i.test(value))
      filters.skipsSelf = value.toLowerCase() === 'yes';
    else return SYNTAX;
  }
  return filters;
}
