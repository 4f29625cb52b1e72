import { expect, it } from 'vitest';
import type { Address, NodeId } from '../base/index.ts';
import type { NodeEvent } from '../node/index.ts';
import { type Log, silentLog } from './log.ts';
import { logMember } from './member-log.ts';

const [ID, BY] = ['00000000000000ab', '00000000000000cd'] as NodeId[] as [NodeId, NodeId];

function logged(
  type: NodeEvent['type'],
  was: 'alive' | 'suspect' | 'down' | 'left' | null,
  self = 'x',
): string {
  const lines: string[] = [];
  const log: Log = {
    ...silentLog,
    info: (fields, message) => lines.push(`info ${message} ${JSON.stringify(fields)}`),
    debug: (_fields, message) => lines.push(`debug ${message}`),
  };
  const member = { status: 'alive', address: '10.0.0.1:1' as Address, incarnation: 7, was } as const;
  logMember(log, { type, subject: ID, name: 'board-1', origin: BY, member }, self);
  return lines.join('\n');
}

it('comings and goings are logged with name, id and address, doubts for whoever debugs', () => {
  const fields = JSON.stringify({ name: 'board-1', id: ID, address: '10.0.0.1:1', incarnation: 7, by: BY });
  expect(logged('member-join', null)).toBe(`info member joined ${fields}`);
  expect(logged('member-join', 'down')).toBe(`info member is back ${fields}`);
  expect(logged('member-join', 'left')).toBe(`info member is back ${fields}`);
  expect(logged('member-leave', 'alive')).toBe(`info member left ${fields}`);
  expect(logged('member-leave', 'down')).toBe(`info member marked left ${fields}`);
  expect(logged('member-down', 'suspect')).toBe(`info member is down ${fields}`);
  expect(logged('member-suspect', 'alive')).toBe('debug member is suspected');
  expect(logged('member-update', 'suspect')).toBe('debug member lives after all');
  expect(logged('member-update', 'alive')).toBe('debug member changed');
  expect(logged('member-leave', 'alive', ID)).toBe('debug member left');
});
