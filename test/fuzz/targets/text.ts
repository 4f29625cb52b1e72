import { ShoalError } from '../../../src/base/index.ts';
import { EventStreamParser } from '../../../src/cli/event-stream.ts';
import { parseEnds, resolveConfig, SETTING_NAMES, sampleConfig } from '../../../src/config/index.ts';
import * as check from '../../../src/http/check.ts';
import * as query from '../../../src/http/query.ts';
import { parseKey } from '../../../src/seal/index.ts';
import type { Target } from '../target.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const textOf = (input: Uint8Array): string =>
  Buffer.from(input.buffer, input.byteOffset, input.length).toString();

/** Runs it: `+` when it gave something, the code of the ShoalError it threw; anything else thrown is a fault. */
function outcome(run: () => unknown): string {
  try {
    run();
    return '+';
  } catch (error) {
    if (error instanceof ShoalError) return error.code;
    throw error;
  }
}

/** Configuration files: a config, or an error of one line that names the file. */
export function configTarget(): Target {
  const words = [
    ...SETTING_NAMES.flatMap((name) => [name, `${name} = `, `${name} = true\n`, `${name} = "x"\n`]),
    ...[
      '[',
      ']',
      '"',
      "'",
      '"""',
      "'''",
      '\n',
      '#',
      '=',
      '.',
      ',',
      '{',
      '}',
      '\\u0000',
      '\\',
      '1e9',
      '0x',
      'inf',
      '[[a]]\n',
    ],
    ...[
      '1979-05-27T07:32:00Z',
      'insecure = true\n',
      '127.0.0.1:1',
      '239.1.1.1:9',
      '__proto__ = 1\n',
      'constructor = 1\n',
    ],
  ];
  // Every setting by itself, switched on.
  const lines = sampleConfig()
    .split('\n')
    .filter((line) => /^#[a-z_]+ = /.test(line));
  return {
    shape: { kind: 'text', words },
    seeds: () => [
      ...lines.map((line) => bytes(`${line.slice(1)}\n`)),
      bytes('ranges = ["0-99:3", "slot:1-slot:2:9"]\ntags = { zone = "a" }\njoin = ["a:1", "[::1]:2"]\n'),
      bytes('insecure = true\nbind = "0.0.0.0:0"\n'),
    ],
    feed(input) {
      const text = textOf(input);
      return outcome(() =>
        resolveConfig({
          flags: { config: ['/x.toml'] },
          env: {},
          readFile: () => text,
          hostname: 'host',
          homedir: '/home/x',
        }),
      );
    },
  };
}

/** Positions, keys and lines of an event stream, as people and daemons write them on the command line. */
export function wordsTarget(): Target {
  const words = [
    'slot:',
    '0x',
    '4294967295',
    '4294967296',
    '16383',
    '16384',
    '-',
    ' ',
    'data: ',
    'id: ',
    'event: ',
    '\n\n',
    '\r\n',
  ];
  return {
    shape: { kind: 'text', words },
    seeds: () =>
      [
        ...['0 10', '0x0 0xffffffff', 'slot:0 slot:16383', '5 4', '-1 x'],
        'id: 5\nevent: member-join\ndata: {"a":1}\n\n: comment\n\ndata: a\ndata: b\n\n',
        Buffer.alloc(32, 7).toString('base64'),
      ].map(bytes),
    feed(input) {
      const text = textOf(input);
      const [start = '', end = ''] = text.split(' ');
      let word = outcome(() => {
        const ends = parseEnds(start, end);
        if (!(ends.start >= 0 && ends.start <= ends.end && ends.end <= 0xffffffff)) {
          throw new Error(`read as ${ends.start}-${ends.end}`);
        }
      });
      word += outcome(() => {
        if (parseKey(text).length !== 32) throw new Error('a key of another length');
      });
      const whole = eventsOf(new EventStreamParser(), [text]);
      const cut = eventsOf(new EventStreamParser(), [...text]);
      if (whole !== cut) throw new Error('cut into characters it reads otherwise');
      return `${word} ${Math.min(3, whole.length)}`;
    },
  };
}

function eventsOf(parser: EventStreamParser, parts: readonly string[]): string {
  return parts
    .map((part) =>
      parser
        .push(part)
        .map((event) => JSON.stringify(event))
        .join(''),
    )
    .join('');
}

/** Bodies and queries of HTTP calls, field by field. */
export function bodyTarget(): Target {
  const names = ['start', 'end', 'priority', 'by', 'node', 'addresses', 'op', 'key', 'release'];
  const words = [
    ...names.map((name) => `"${name}":`),
    '{',
    '}',
    '[',
    ']',
    ',',
    'null',
    'true',
    '"',
    '\\u0000',
    '1e400',
    '-0',
    '__proto__',
    '&',
    '=',
    '%',
    '%00',
    '%ff',
    '+',
  ];
  const fields: readonly ((given: check.Fields) => unknown)[] = [
    ...[check.rangeInput, check.priority, check.amount, check.addresses, check.keyOperation, check.keyText],
    (given) => check.flag(given, 'release'),
    (given) => check.nodeRef(given.node),
  ];
  const parameters: readonly ((text: string) => unknown)[] = [
    ...[query.position, query.copies, query.waitMs],
    (text) => query.eventTypes([text]),
    (text) => query.lastEventId(text),
  ];
  return {
    shape: { kind: 'text', words },
    seeds: () =>
      [
        ...[
          '{"start":0,"end":9,"priority":1}',
          '{"start":0,"end":4294967295,"by":-5,"node":"a"}',
          '{}',
          '[]',
        ],
        ...[
          '{"addresses":["127.0.0.1:1","[::1]:2"]}',
          '{"op":"install","key":"0a1b2c3d"}',
          '{"release":true}',
        ],
        ...['position=5&key=%7Ba%7D', 'wait=10', 'copies=3', 'types=member-join,member-down'],
      ].map(bytes),
    feed(input) {
      const text = textOf(input);
      let word = outcome(() => query.parseQuery(text, ['position', 'key', 'wait', 'copies', 'types']));
      for (const read of parameters) word += outcome(() => read(text));
      let given: check.Fields = {};
      word += outcome(() => {
        given = check.parseFields(text, names);
      });
      for (const read of fields) word += outcome(() => read(given));
      return word;
    },
  };
}
