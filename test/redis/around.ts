import fc from 'fast-check';
import type { Words } from './connection.ts';
import { key, maybe, small, some, value, words } from './words.ts';

const one = fc.constantFrom<string[]>;
const nobody = fc.oneof(
  words('ID', one('0', '999999', 'x', '-1')),
  words('TYPE', one('pubsub', 'replica', 'master', 'slave', 'junk', 'PUBSUB')),
  words('USER', one('nobody', 'default')),
  words(one('ADDR', 'LADDR'), '1.2.3.4:5'),
  words('SKIPME', one('yes', 'x')),
  words('JUNK'),
);

/** Parameters whose bounds are Redis' own, and what can be said of them; none that changes what others are answered. */
const PARAMETERS = [
  'timeout',
  'latency-tracking',
  'tcp-keepalive',
  'loglevel',
  'lazyfree-lazy-expire',
  'list-max-listpack-size',
  'hash-max-listpack-entries',
  'zset-max-ziplist-value',
  'stream-node-max-bytes',
  'active-expire-effort',
  'busy-reply-threshold',
  'client-output-buffer-limit',
  'client-query-buffer-limit',
  'Hash-Max-Listpack-Value',
  'nothing',
];
const setting = one(
  ...['0', '1', '-1', '500', '7', 'x', 'yes', 'no', 'YES', 'debug', 'WARNING', '1gb', '2Mb', '10k', '1t', ''],
  ...['99999999999999999999', 'normal 0 0 0', 'pubsub 64mb 32mb 60', 'replica 1 2'],
  ...['normal 1 2 x', 'junk 0 0 0', 'slave 1gb 0 1 normal 2gb 1gb 5'],
);

/** Of a connection and the server, where an answer can be the same. */
export const AROUND: fc.Arbitrary<Words>[] = [
  words('PING', some(0, 2, value)),
  words('ECHO', value),
  words('SELECT', one('0', '0', '1', '-1', 'x', '99999999999')),
  words(
    'CLIENT',
    one('GETNAME', 'JUNK', 'getname', 'ID', 'INFO', 'GETREDIR', 'TRACKINGINFO', 'UNPAUSE', 'HELP'),
  ),
  words('CLIENT', 'SETNAME', one('', 'me', 'with space', 'new\nline')),
  words('CLIENT', 'NO-EVICT', one('ON', 'OFF', 'JUNK')),
  words('CLIENT', 'REPLY', one('ON', 'JUNK')),
  words('CLIENT', 'TRACKING', one('OFF', 'JUNK'), some(0, 1, one('BCAST', 'JUNK'))),
  words('CLIENT', 'CACHING', one('YES', 'NO', 'JUNK')),
  words('CLIENT', 'LIST', some(0, 1, nobody)),
  words('CLIENT', 'LIST', 'TYPE', 'normal'),
  words('CLIENT', 'KILL', one('1.2.3.4:5', 'x', '')),
  words('CLIENT', 'KILL', some(1, 3, nobody)),
  words('CLIENT', 'UNBLOCK', one('0', '999999', 'x', '-1'), some(0, 1, one('TIMEOUT', 'ERROR', 'JUNK'))),
  words('CLIENT', 'PAUSE', one('0', 'x', '-1'), some(0, 1, one('WRITE', 'ALL', 'JUNK'))),
  words(
    'COMMAND',
    one('INFO', 'LIST', 'JUNK', 'DOCS', 'COUNT'),
    some(0, 2, one('nothing', 'get', 'GET', 'client|id')),
  ),
  words('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', one('get*', '*bit*', '[')),
  words('COMMAND', 'LIST', 'FILTERBY', one('ACLCAT', 'MODULE', 'JUNK'), one('bitmap', 'transaction', 'junk')),
  words('PUBLISH', key, value),
  words('SPUBLISH', key, value),
  words(
    'PUBSUB',
    one('CHANNELS', 'NUMPAT', 'NUMSUB', 'JUNK', 'SHARDNUMSUB', 'SHARDCHANNELS'),
    some(0, 2, key),
  ),
  words(one('TIME', 'LASTSAVE', 'ROLE', 'RESET', 'READONLY', 'READWRITE', 'ASKING'), some(0, 1, 'x')),
  words('WAIT', one('0', 'x', '-1'), one('0', 'x', '-1', '10')),
  words(
    'CONFIG',
    'GET',
    some(1, 3, one('maxmemory', 'nothing', 'time?ut', 'lazy*', 'hash-*', 'DATABASES', ...PARAMETERS)),
  ),
  words('CONFIG', 'SET', some(1, 2, one(...PARAMETERS), setting), maybe('hz')),
  words('CONFIG', one('RESETSTAT', 'JUNK', 'HELP'), some(0, 1, 'x')),
  words('SLOWLOG', one('RESET', 'JUNK')),
  words(
    'LATENCY',
    one('RESET', 'LATEST', 'DOCTOR', 'HISTORY', 'GRAPH', 'JUNK'),
    some(0, 2, one('command', 'x')),
  ),
  words('LATENCY', 'HISTOGRAM', some(1, 2, 'nothing')),
  words('MEMORY', one('DOCTOR', 'PURGE', 'STATS', 'MALLOC-STATS', 'JUNK'), some(0, 1, 'x')),
  words('ACL', one('WHOAMI', 'USERS', 'HELP'), some(0, 1, 'x')),
  words('MODULE', one('LIST', 'HELP', 'JUNK'), some(0, 1, 'x')),
  words('SCRIPT', one('EXISTS', 'FLUSH', 'KILL', 'HELP', 'JUNK'), some(0, 2, one('SYNC', 'ASYNC', 'x'))),
  words(
    'FUNCTION',
    one('LIST', 'FLUSH', 'STATS', 'KILL', 'HELP', 'JUNK'),
    some(0, 2, one('SYNC', 'ASYNC', 'WITHCODE', 'x')),
  ),
  words('FUNCTION', 'LIST', some(0, 2, fc.oneof(words('LIBRARYNAME', value), words('WITHCODE')))),
  words('LOLWUT', maybe('VERSION', one('7', '1', 'x', '', '99999999999999999999'))),
  words('CLUSTER', one('INFO', 'SLOTS', 'KEYSLOT', 'NODES', 'MYID'), some(0, 1, key)),
  words('INFO', some(0, 2, one('server', 'nothing', 'ALL', 'everything', 'commandstats'))),
  words('DEBUG', one('SLEEP'), '0'),
  words(one('NOTHING', 'what\r\never', 'x'.repeat(200), ''), some(0, 4, value)),
  words(one('NOTHING', 'x'.repeat(100)), some(0, 9, one('y'.repeat(30), "it's", '\r\n', '\0'))),
  words('HELLO', some(0, 2, one('1', '4', 'x', 'JUNK'))),
  words(
    'HELLO',
    one('2', '3'),
    some(
      0,
      1,
      fc.oneof(words('SETNAME', one('you', 'a b')), words('AUTH', one('default', 'x'), value), words('JUNK')),
    ),
  ),
  words('AUTH', some(0, 3, value)),
  words('OBJECT', small, key),
];
