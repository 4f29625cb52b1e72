#!/usr/bin/env node
// throw.mjs PLAN.json : throws what the plan says from inside a namespace, as an attacker on the LAN would.
// plan: { to, port, multicast, multicastPort, seconds, over, datagrams: [hex], streams: [{ hex, holdMs }], idleStreams }
// Datagrams go round and round, about a thousand a second each to the node and to the group; each stream is opened,
// written and cut after holdMs (0: at once); idleStreams are opened at the start and say nothing. It lasts so many seconds, and then
// until there is a file `over`, at most MAX_SECONDS.
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';

const BATCH = 5;
const MAX_SECONDS = 90;
const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const datagrams = plan.datagrams.map((hex) => Buffer.from(hex, 'hex'));
const startMs = performance.now();
const socket = createSocket('udp4');
let sent = 0;
let streams = 0;

function dial(bytes, holdMs) {
  const stream = connect({ host: plan.to, port: plan.port });
  stream.on('error', () => {});
  stream.on('connect', () => {
    streams++;
    if (bytes !== null) stream.write(bytes);
    if (holdMs !== null) setTimeout(() => stream.destroy(), holdMs);
  });
}

function isOver() {
  const seconds = (performance.now() - startMs) / 1000;
  return seconds > MAX_SECONDS || (seconds > plan.seconds && existsSync(plan.over));
}

function throwSome() {
  if (isOver()) {
    socket.close();
    console.log(JSON.stringify({ sent, streams }));
    setTimeout(() => process.exit(0), 200);
    return;
  }
  for (let i = 0; i < BATCH; i++) {
    const bytes = datagrams[sent % datagrams.length];
    socket.send(bytes, plan.port, plan.to, () => {});
    if (bytes.length <= 1472) socket.send(bytes, plan.multicastPort, plan.multicast, () => {});
    sent++;
  }
  if (plan.streams.length > 0 && sent % (BATCH * 10) === 0) {
    const { hex, holdMs } = plan.streams[(sent / BATCH / 10) % plan.streams.length];
    dial(Buffer.from(hex, 'hex'), holdMs);
  }
  setTimeout(throwSome, 5);
}

socket.bind(0, () => {
  for (let i = 0; i < plan.idleStreams; i++) dial(null, null);
  throwSome();
});
