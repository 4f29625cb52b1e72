import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS, type NodeId } from '../base/index.ts';
import { EVENT_NAMES, type HookSetting } from '../config/index.ts';
import { EVENT_TYPES, type EventView } from '../node/contract.ts';
import { checkHooks, type HookContext, Hooks } from './hooks.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

let dir: string;
let lines: Line[];
let hooks: Hooks | null;
let lastId: number;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'shoal-hooks-'));
  lines = [];
  hooks = null;
  lastId = 0;
});

afterEach(async () => {
  await hooks?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** An executable script with this body. */
function script(body: string, name = 'hook', first = '#!/bin/sh'): string {
  const path = join(dir, name);
  writeFileSync(path, `${first}\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

function plain(): string {
  writeFileSync(join(dir, 'plain'), '');
  return join(dir, 'plain');
}

function start(settings: readonly HookSetting[], over: Partial<HookContext> = {}): Hooks {
  const at =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void =>
      void lines.push({ level, message, fields });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const context = {
    node: () => 'aaaaaaaaaaaaaaaa',
    name: 'me',
    socket: '/run/s',
    log,
    nowMs: () => performance.now(),
  };
  hooks = new Hooks(checkHooks(settings), { ...context, ...over });
  return hooks;
}

const all = (path: string): HookSetting[] => [{ type: null, script: path }];

function event(type: EventView['type'], more: Partial<EventView> = {}): EventView {
  const subject = 'bbbbbbbbbbbbbbbb' as NodeId;
  return {
    id: ++lastId,
    type,
    time: '2026-01-01T00:00:00.000Z',
    subject,
    name: 'them',
    origin: null,
    ...more,
  };
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within 20 s: ${what}; log: ${JSON.stringify(lines)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const ended = (): Line[] => lines.filter(({ fields }) => 'outcome' in fields);
const read = (name: string): string => {
  const path = join(dir, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

function figure(name: string, label: Readonly<Record<string, string>>): number | undefined {
  const family = hooks?.metrics().find((f) => f.name === name);
  for (const sample of family?.samples ?? []) {
    if ('value' in sample && Object.entries(label).every(([key, value]) => sample.labels?.[key] === value))
      return sample.value;
  }
  return undefined;
}

it('the types that a hook can be for are those of the node', () => {
  expect([...EVENT_NAMES]).toEqual([...EVENT_TYPES]);
});

describe('a script that cannot be run is an error at start that says what to do', () => {
  it.each([
    ['is missing', () => join(dir, 'none'), /does not exist/],
    ['is a directory', () => dir, /is not a file/],
    ['is not executable', () => plain(), /chmod 755/],
  ])('because it %s', (_what, path, message) => {
    // Root may run nothing that has no x bit either.
    const thrown = expect.objectContaining({ code: 'bad-on-event', field: 'on_event' });
    expect(() => checkHooks(all(path()))).toThrow(thrown);
    expect(() => checkHooks(all(path()))).toThrow(message);
  });
});

describe('a script', () => {
  it('is told the id that the node has when it is run, which may be a new one', async () => {
    let node = 'aaaaaaaaaaaaaaaa';
    start(all(script(`echo $SHOAL_NODE_ID >> ${dir}/ids`)), { node: () => node });
    hooks?.event(event('member-join'));
    hooks?.event(event('member-leave'));
    node = 'dddddddddddddddd';
    await until('both ran', () => ended().length === 2);
    expect(read('ids')).toBe('aaaaaaaaaaaaaaaa\ndddddddddddddddd\n');
  });

  it('gets the event as JSON on its input, and field by field in its environment', async () => {
    const path = script(`cat > ${dir}/input; env | grep ^SHOAL_ | sort > ${dir}/env`);
    start(all(path));
    const down = event('member-down', {
      name: 'b\u0000o\nard "7"',
      origin: 'cccccccccccccccc' as NodeId,
      member: { status: 'down', address: '10.0.0.7:29999' as never, incarnation: 4, was: 'suspect' },
    });
    process.env.SHOAL_KEY_FILE = '/secret';
    hooks?.event(down);
    delete process.env.SHOAL_KEY_FILE;
    await until('the script ran', () => ended().length === 1);
    expect(JSON.parse(read('input'))).toEqual(down);
    expect(read('input').endsWith('}\n')).toBe(true);
    const env = Object.fromEntries(
      read('env')
        .trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(JSON.parse(env.SHOAL_EVENT ?? '')).toEqual(down);
    delete env.SHOAL_EVENT;
    expect(env).toEqual({
      SHOAL_SOCKET: '/run/s',
      SHOAL_NODE_ID: 'aaaaaaaaaaaaaaaa',
      SHOAL_NODE_NAME: 'me',
      SHOAL_EVENT_TYPE: 'member-down',
      SHOAL_EVENT_ID: '1',
      SHOAL_EVENT_TIME: '2026-01-01T00:00:00.000Z',
      SHOAL_EVENTS_MISSED: '0',
      SHOAL_SUBJECT_ID: 'bbbbbbbbbbbbbbbb',
      SHOAL_SUBJECT_NAME: 'b?o?ard "7"',
      SHOAL_ORIGIN_ID: 'cccccccccccccccc',
      SHOAL_MEMBER_STATUS: 'down',
      SHOAL_MEMBER_ADDRESS: '10.0.0.7:29999',
      SHOAL_MEMBER_INCARNATION: '4',
    });
  });

  it('is run for the types it was given for, and once however often it is named', async () => {
    const path = script(`echo "$SHOAL_EVENT_TYPE" >> ${dir}/types`);
    start([
      { type: 'member-down', script: path },
      { type: 'member-join', script: path },
      { type: 'member-down', script: join(dir, '.', 'hook') },
    ]);
    for (const type of ['member-down', 'member-leave', 'member-join'] as const) hooks?.event(event(type));
    await until('both ran', () => ended().length === 2);
    expect(read('types')).toBe('member-down\nmember-join\n');
  });

  it('is never run twice at once, and gets the events in order', async () => {
    const path = script(
      `mkdir ${dir}/busy || echo overlap >> ${dir}/seen; echo "$SHOAL_EVENT_ID" >> ${dir}/seen; sleep 0.02; rmdir ${dir}/busy`,
    );
    start(all(path));
    for (let i = 0; i < 10; i++) hooks?.event(event('member-update'));
    await until('all ran', () => ended().length === 10);
    expect(read('seen')).toBe('1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n');
  });

  it('runs beside another script', async () => {
    const waits = script(`while [ ! -e ${dir}/go ]; do sleep 0.01; done`, 'waits');
    const goes = script(`: > ${dir}/go`, 'goes');
    start([...all(waits), ...all(goes)]);
    hooks?.event(event('member-join'));
    await until('both ended', () => ended().length === 2);
    expect(ended().map(({ fields }) => fields.outcome)).toEqual(['ok', 'ok']);
  });

  it('that fails has its exit code and the beginning of its output in the log, and is in the warnings until it succeeds', async () => {
    const path = script(
      `if [ -e ${dir}/mended ]; then exit 0; fi; echo out; echo err >&2; head -c 100000 /dev/zero | tr '\\0' x; exit 3`,
    );
    start(all(path));
    hooks?.event(event('member-down'));
    hooks?.event(event('member-down'));
    await until('it failed twice', () => ended().length === 2);
    expect(ended()[0]).toMatchObject({ level: 'warn', message: 'event hook: exit code 3' });
    const output = String(ended()[0]?.fields.output);
    for (const part of ['out\n', 'err', 'bytes more]']) expect(output).toContain(part);
    expect(output.length).toBeLessThan(LIMITS.hookOutputBytes + 40);
    expect(hooks?.warnings()).toEqual([
      `the event script ${path} failed, 2 times in a row: exit code 3; the log has what it wrote`,
    ]);
    expect(figure('shoal_hook_runs_total', { outcome: 'failed' })).toBe(2);
    writeFileSync(join(dir, 'mended'), '');
    hooks?.event(event('member-down'));
    await until('it succeeded', () => ended().length === 3);
    expect(hooks?.warnings()).toEqual([]);
    expect(ended()[2]?.level).toBe('debug');
  });

  it('that takes too long is ended with all it started, first politely', async () => {
    const path = script(
      `trap 'echo asked >> ${dir}/seen; exit 5' TERM; sleep 60 & echo $! > ${dir}/child; wait`,
    );
    start(all(path), { timeoutMs: 300 });
    hooks?.event(event('member-down'));
    await until('it was ended', () => ended().length === 1);
    expect(ended()[0]?.fields).toMatchObject({
      outcome: 'timeout',
      how: 'not done within 0.3 s (exit code 5)',
    });
    expect(read('seen')).toBe('asked\n');
    await until('its child is gone', () => gone(Number(read('child'))));
    expect(figure('shoal_hook_runs_total', { outcome: 'timeout' })).toBe(1);
  });

  it('that does not listen to that is killed, and the next event has its turn', async () => {
    const path = script(
      `[ -e ${dir}/once ] && exit 0; : > ${dir}/once; trap '' TERM; while :; do sleep 1; done`,
    );
    start(all(path), { timeoutMs: 200, graceMs: 100 });
    hooks?.event(event('member-down'));
    hooks?.event(event('member-join'));
    await until('both ended', () => ended().length === 2);
    expect(ended().map(({ fields }) => fields.outcome)).toEqual(['timeout', 'ok']);
    expect(ended()[0]?.fields.how).toContain('SIGKILL');
  });

  it('whose child keeps its output open is waited for, up to the limit', async () => {
    const path = script(`sleep 60 & echo $! > ${dir}/child; exit 0`);
    start(all(path), { timeoutMs: 400, graceMs: 100 });
    hooks?.event(event('member-down'));
    await until('it was ended', () => ended().length === 1);
    expect(ended()[0]?.fields.outcome).toBe('timeout');
    await until('its child is gone', () => gone(Number(read('child'))));
  });

  it.each([
    ['names a program that is not there', '#!/no/such/program', /not found/],
    ['has no first line that names one', '\u0001\u0002', /not a program|Exec format|ENOEXEC|exit code/],
  ])('that %s is counted as not run, and stops nothing', async (_what, first, how) => {
    const path = script('x', 'hook', first);
    start(all(path));
    hooks?.event(event('member-down'));
    await until('it was tried', () => ended().length === 1);
    expect(ended()[0]?.fields.outcome).not.toBe('ok');
    expect(String(ended()[0]?.fields.how)).toMatch(how);
    expect(hooks?.warnings()).toHaveLength(1);
  });

  it('that does not read its input does no harm', async () => {
    const path = script('exec <&-; exit 0');
    start(all(path));
    for (let i = 0; i < 5; i++) hooks?.event(event('range-registered', { name: 'n'.repeat(60_000) }));
    await until('all ran', () => ended().length === 5);
    expect(ended().every(({ fields }) => fields.outcome === 'ok')).toBe(true);
  });
});

describe('events that wait', () => {
  it('are bounded: the oldest are dropped and counted, and the next run is told', async () => {
    const path = script(
      `[ "$SHOAL_EVENT_ID" = 1 ] && while [ ! -e ${dir}/go ]; do sleep 0.01; done; echo "$SHOAL_EVENT_ID $SHOAL_EVENTS_MISSED" >> ${dir}/seen; exit 0`,
    );
    start(all(path));
    for (let i = 0; i < 1 + LIMITS.hookQueue + 44; i++) hooks?.event(event('range-priority'));
    expect(figure('shoal_hook_waiting', {})).toBe(LIMITS.hookQueue);
    expect(figure('shoal_hook_events_total', { what: 'dropped' })).toBe(44);
    expect(lines.filter(({ message }) => message.includes('too slow'))).toHaveLength(1);
    writeFileSync(join(dir, 'go'), '');
    await until('two ran', () => ended().length >= 2);
    expect(read('seen').split('\n').slice(0, 2)).toEqual(['1 0', '46 44']);
  });

  it('of changed owners become one that spans them all', async () => {
    const path = script(
      `[ "$SHOAL_EVENT_ID" = 1 ] && while [ ! -e ${dir}/go ]; do sleep 0.01; done; echo "$SHOAL_EVENT_TYPE $SHOAL_RANGE_START $SHOAL_RANGE_END" >> ${dir}/seen; exit 0`,
    );
    start(all(path));
    hooks?.event(event('member-join'));
    for (let i = 0; i < 500; i++) {
      hooks?.event(event('owners-changed', { range: { start: 1000 - i, end: 2000 + i, priority: null } }));
    }
    hooks?.event(event('member-down'));
    writeFileSync(join(dir, 'go'), '');
    await until('all ran', () => ended().length === 3);
    expect(read('seen')).toBe('member-join  \nowners-changed 501 2499\nmember-down  \n');
    expect(figure('shoal_hook_events_total', { what: 'joined' })).toBe(499);
    expect(figure('shoal_hook_events_total', { what: 'dropped' })).toBe(0);
  });
});

describe('stopping', () => {
  it('waits a moment for a script that is under way, then ends it, and runs no other', async () => {
    const path = script(
      `echo $$ > ${dir}/pid; echo ran >> ${dir}/seen; trap '' TERM; while :; do sleep 1; done`,
    );
    start(all(path));
    hooks?.event(event('member-down'));
    hooks?.event(event('member-down'));
    await until('it runs', () => read('pid').endsWith('\n'));
    const startMs = performance.now();
    await hooks?.stop();
    expect(performance.now() - startMs).toBeLessThan(10_000);
    expect(read('seen')).toBe('ran\n');
    await until('it is gone', () => gone(Number(read('pid'))));
  });
});

function gone(pid: number): boolean {
  try {
    // A zombie whose parent ended is the machine's to collect.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] === 'Z';
  } catch {
    return true;
  }
}
