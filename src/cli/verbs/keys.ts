import type { KeyView } from '../../node/contract.ts';
import { EXIT, usage } from '../errors.ts';
import { columns, duration } from '../layout.ts';
import type { Shell } from '../shell.ts';
import type { Verb } from '../verb.ts';

const OPERATIONS = ['install', 'use', 'remove'];
export const KEY_OPERATIONS = ['list', ...OPERATIONS];
const KEY_ID = /^[0-9a-f]{8}$/i;
const HOW = "write 'shoal keys list', or 'shoal keys install|use|remove KEY'";

export const keys: Verb = {
  usage: 'keys <operation> [key]',
  summary: 'the keyring: list, install K, use K, remove K',
  details:
    'A change goes to every node. K is a key; use and remove take its id as well, as list shows it; - reads it from standard input, which is best: others may see a command line. ' +
    'To rotate: install the new key, use it when every node lists it, remove the old one when no node has opened anything with it for a while. ' +
    'A node that is off meanwhile is back as long as one of its keys is still in the ring.',
  examples: [
    ['shoal keys list', 'ids, how many members have each, and when it was last of use'],
    ['shoal keygen --out new', 'a key in a file of mode 0600'],
    ['shoal keys install - < new', 'every node can open what it seals'],
    ['shoal keys use 0a1b2c3d', 'every node seals with it'],
    ['shoal keys remove 4e5f6a7b', 'nobody can use it any more'],
  ],
  asksDaemon: true,
  run: async (shell, args) => {
    const [operation = '', given] = args;
    if (operation === 'list' && given === undefined) {
      const answer = (await shell.client(false).call('GET', '/v1/keys')) as { keys: KeyView[] };
      shell.answer(answer, () => table(answer.keys, shell));
      return EXIT.done;
    }
    if (!OPERATIONS.includes(operation) || given === undefined) throw usage(HOW);
    const key = readKey(given, shell);
    if (operation === 'install' && KEY_ID.test(key))
      throw usage("KEY: install takes the key itself ('shoal keygen' prints one), not its id");
    if (operation === 'remove') await warnOfDown(shell, key);
    const body = { op: operation, key };
    const answer = (await shell.client(false).call('POST', '/v1/keys', body)) as { keys: KeyView[] };
    shell.answer(answer, () => table(answer.keys, shell));
    return EXIT.done;
  },
};

/** Checked here, so that nothing of a mistyped secret gets into a message. */
function readKey(given: string, shell: Shell): string {
  let key = given;
  if (given === '-') {
    try {
      key = shell.io.readFile('/dev/stdin').trim();
    } catch {
      throw usage('KEY: nothing could be read from standard input');
    }
  }
  if (KEY_ID.test(key)) return key.toLowerCase();
  if (/^[A-Za-z0-9+/]{43}=$/.test(key)) return key;
  throw usage(
    "KEY: that is neither a key ('shoal keygen' prints one; of a file: - < FILE) nor a key's id (8 hex digits, 'shoal keys list')",
  );
}

/** Who is off and may have no other key is shut out: said before it is done. */
async function warnOfDown(shell: Shell, id: string): Promise<void> {
  const { keys: list } = (await shell.client(false).call('GET', '/v1/keys')) as { keys: KeyView[] };
  const down = list.find((key) => key.id === id && !key.primary)?.down ?? 0;
  if (down > 0) shell.note(`${downWords(down)}: without it, it needs the new key in its key file to be back`);
}

function downWords(down: number): string {
  return `${down} member${down === 1 ? ' is' : 's are'} down and may have only this key`;
}

function table(list: readonly KeyView[], shell: Shell): string[] {
  const ago = (ms: number | null): string => (ms === null ? 'never' : `${duration(ms / 1000)} ago`);
  const rows = list.map((key) => [
    key.id,
    key.primary ? 'primary' : 'installed',
    `${key.holders} member${key.holders === 1 ? '' : 's'}${key.lacking ? `, not ${key.lacking}` : ''}`,
    `sealed ${ago(key.lastSealedMs)}`,
    `opened ${ago(key.lastOpenedMs)}`,
    ...(key.down ? [downWords(key.down)] : []),
  ]);
  return shell.io.isTerminal
    ? columns([['KEY', 'STATE', 'HELD BY', 'LAST SEALED', 'LAST OPENED'], ...rows])
    : columns(rows);
}
