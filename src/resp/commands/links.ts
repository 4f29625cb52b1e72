import { randomBytes } from 'node:crypto';
import type { NodeId } from '../../base/index.ts';
import { SLOT_COUNT, slotAt } from '../../ranges/index.ts';
import { PLAIN_LEVEL } from '../ack-level.ts';
import type { Call } from '../call.ts';
import type { Client } from '../client.ts';
import type { Command } from '../command.ts';
import { HELD_POSITIONS } from '../holdings.ts';
import { type Greeting, isNonce, proofOf, secretOf } from '../link-auth.ts';
import { isLoopback } from '../peers.ts';
import { ROLE } from '../role.ts';
import { GroupRouter } from '../routing.ts';
import { entries } from './entry.ts';

/** Greetings under way, by client: what LINK said, for PROVE. */
const greetings = new WeakMap<Client, Greeting>();
/** Of 64 keys; a keyring has fewer. */
const MAX_PROOFS_BYTES = 64 * 65;

/** SHOAL LINK kind dialer acceptor nonce: see link-auth.ts. Answers with a nonce, and nothing that a secret was used for. */
function link(call: Call): void {
  const { client, reply } = call;
  const router = routerOf(call);
  if (router === null) return;
  const [kind, dialer, acceptor, dialerNonce] = [2, 3, 4, 5].map((i) => call.text(i)) as [
    string,
    string,
    string,
    string,
  ];
  if ((kind !== 'relay' && kind !== 'final') || !isNonce(dialerNonce) || !/^[0-9a-f]{16}$/.test(dialer)) {
    reply.error('ERR LINK takes relay or final, two node ids, and a nonce');
    return;
  }
  if (acceptor !== router.peers.self?.id) {
    reply.error(`ERR this is not node ${acceptor}`);
    return;
  }
  if (router.secrets().length === 0 && !mayLinkUnproven(call, router)) {
    reply.error('ERR links from other machines need a key, a password, or --insecure');
    return;
  }
  const greeting = { kind, dialer, acceptor, dialerNonce, acceptorNonce: randomBytes(16).toString('hex') };
  greetings.set(client, greeting);
  reply.bulkText(greeting.acceptorNonce);
}

/** Without any secret: by who is on this machine, or where nothing is protected; never where there is a password. */
function mayLinkUnproven({ client, server }: Call, { open }: GroupRouter): boolean {
  return !server.hasPassword && (open || isLoopback(hostOf(client.address)));
}

/** SHOAL PROVE proof[,proof...]: the client is another node from now on, and gets this node's proof by the secret they share. */
function prove(call: Call): void {
  const { client, reply } = call;
  const router = routerOf(call);
  if (router === null) return;
  const greeting = greetings.get(client);
  greetings.delete(client);
  const secrets = router.secrets();
  const proofs = call.lengthOf(2) <= MAX_PROOFS_BYTES ? call.text(2).split(',') : [];
  const secret = greeting === undefined ? null : secretOf(secrets, 'dialer', greeting, proofs);
  if (greeting === undefined || (secret === null && (secrets.length > 0 || !mayLinkUnproven(call, router)))) {
    router.counters.linksRefused++;
    reply.error('ERR that proves nothing');
    client.closing = true;
    return;
  }
  client.role = greeting.kind === 'relay' ? ROLE.relay : ROLE.final;
  client.authenticate(true);
  // The other node says what a write waits for, if anything.
  client.useLevel(PLAIN_LEVEL);
  client.name = `shoal;${greeting.dialer};${greeting.kind}`;
  if (secret === null) reply.ok();
  else reply.bulkText(proofOf(secret, 'acceptor', greeting));
}

/** SHOAL HELD start end [start end ...]: slots of these positions that this node holds keys of. */
function tellHeld(call: Call): void {
  const { client, reply } = call;
  const router = routerOf(call);
  if (router === null) return;
  if (client.role !== ROLE.relay && client.role !== ROLE.final) {
    reply.error('ERR HELD is for nodes');
    return;
  }
  if (call.count - 2 > HELD_POSITIONS) {
    reply.error(`ERR HELD takes ${HELD_POSITIONS} positions`);
    return;
  }
  const positions: number[] = [];
  let slots = 0;
  for (let i = 2; i < call.count; i++) {
    const position = call.integer(i);
    if (position === null || position < 0 || position > 0xffffffff) {
      reply.error('ERR HELD takes positions');
      return;
    }
    positions.push(position);
    const start = i % 2 === 1 ? positions.at(-2) : undefined;
    if (start !== undefined) slots += Math.max(0, slotAt(position) - slotAt(start));
  }
  // Ranges of one node do not overlap: together they have no more.
  if (slots > SLOT_COUNT) {
    reply.error('ERR HELD takes ranges that do not overlap');
    return;
  }
  const held = router.holdings.answer(positions);
  reply.array(held.length);
  for (const slot of held) reply.integer(slot);
}

/** SHOAL FORGET id: what that node is known to hold of this one's slots is given up. */
function forget(call: Call): void {
  const router = routerOf(call);
  if (router === null) return;
  const name = call.text(2);
  const peer = [...router.peers.byId.values()].find((one) => one.id === name || one.name === name);
  if (peer?.live === true) call.reply.error('ERR that node is here: its data can be reached');
  else call.reply.integer(router.holdings.forget(peer?.id ?? (name as NodeId)) ? 1 : 0);
}

function routerOf(call: Call): GroupRouter | null {
  const { router } = call.server;
  if (router instanceof GroupRouter) return router;
  call.reply.error('ERR this server is not part of a group');
  return null;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

const entry = entries('server');

/** What nodes say to each other; for clients there is FORGET only. */
export const LINK_COMMANDS: readonly Command[] = [
  entry('shoal', -2, '', null, 'shoal', 'A container for commands between nodes.', () => {}, {
    subcommands: [
      entry('link', 6, 'no_auth fast no_multi', null, 'shoal', 'Begins a link from another node.', link),
      entry(
        'prove',
        3,
        'no_auth fast no_multi',
        null,
        'shoal',
        'Proves that a link is from another node.',
        prove,
      ),
      entry('held', -4, 'no_multi', null, 'shoal', 'Which slots this node holds keys of.', tellHeld),
      entry(
        'forget',
        3,
        'admin',
        null,
        'shoal',
        'Gives up what a node that is gone is known to hold.',
        forget,
      ),
    ],
  }),
];
