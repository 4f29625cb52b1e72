const SPACE = 0x20;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const BACKSLASH = 0x5c;

/** The words of an inline command, as Redis' `sdssplitargs` takes them: quotes, and escapes within double ones. */
export function splitWords(line: Uint8Array): Uint8Array[] | null {
  const words: Uint8Array[] = [];
  let i = 0;
  for (;;) {
    while (i < line.length && isSpace(line[i] as number)) i++;
    if (i >= line.length) return words;
    const word: number[] = [];
    while (i < line.length && !isSpace(line[i] as number)) {
      const quote = line[i] as number;
      if (quote !== QUOTE && quote !== APOSTROPHE) {
        word.push(quote);
        i++;
        continue;
      }
      const after = quoted(line, i + 1, quote, word);
      if (after < 0 || (after < line.length && !isSpace(line[after] as number))) return null;
      i = after;
    }
    words.push(Uint8Array.from(word));
  }
}

/** Where the closing quote ends, or -1. */
function quoted(line: Uint8Array, from: number, quote: number, word: number[]): number {
  for (let i = from; i < line.length; i++) {
    const byte = line[i] as number;
    if (byte === quote) return i + 1;
    if (byte !== BACKSLASH) {
      word.push(byte);
      continue;
    }
    const next = line[i + 1];
    if (quote === APOSTROPHE) {
      if (next === APOSTROPHE) i++;
      word.push(next === APOSTROPHE ? APOSTROPHE : BACKSLASH);
    } else if (next === 0x78 && isHex(line[i + 2]) && isHex(line[i + 3])) {
      word.push(Number.parseInt(String.fromCharCode(line[i + 2] as number, line[i + 3] as number), 16));
      i += 3;
    } else if (next !== undefined) {
      word.push(ESCAPES.get(next) ?? next);
      i++;
    } else return -1;
  }
  return -1;
}

const ESCAPES = new Map([...'nrtba'].map((c, i) => [c.charCodeAt(0), [10, 13, 9, 8, 7][i] as number]));

function isSpace(byte: number): boolean {
  return byte === SPACE || (byte >= 9 && byte <= 13) || byte === 0;
}

function isHex(byte: number | undefined): boolean {
  return byte !== undefined && /[0-9a-fA-F]/.test(String.fromCharCode(byte));
}

/**
 * A web page can have a browser send a request to any port of its machine, with lines of its own in the body. `POST` comes first
 * then, or a line `Host:` before the body; no command is called so.
 */
export function isHttp(word: Uint8Array): boolean {
  if (word.length !== 4 && word.length !== 5) return false;
  return /^(post|host:)$/i.test(String.fromCharCode(...word));
}
