/** A reply, whole: text for strings, an ErrorReply for errors; maps are arrays of keys and values in turn. */
export type Value = string | number | null | ErrorReply | readonly Value[];

export class ErrorReply {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Replies to the questions a load generator asks are small; more is not a server it knows. */
const MAX_LINE = 64 * 1024;
const MAX_ITEMS = 1 << 20;
const MAX_DEPTH = 16;

/** Reads one reply at `at`; null when it is not whole yet. `next` is where the one after it begins. */
export function readValue(
  bytes: Buffer,
  at: number,
  depth = 0,
): { readonly value: Value; readonly next: number } | null {
  const end = bytes.indexOf(10, at);
  if (end < 0) {
    if (bytes.length - at > MAX_LINE) throw new Error('a reply line without an end');
    return null;
  }
  const type = String.fromCharCode(bytes[at] ?? 0);
  const line = bytes.toString('utf8', at + 1, end - 1);
  const next = end + 1;
  switch (type) {
    case '+':
    case ',':
    case '(':
    case '#':
      return { value: line, next };
    case '-':
      return { value: new ErrorReply(line), next };
    case ':':
      return { value: Number(line), next };
    case '_':
      return { value: null, next };
    case '$':
    case '=':
    case '!': {
      const length = whole(line, MAX_ITEMS * 512);
      if (length < 0) return { value: null, next };
      if (bytes.length < next + length + 2) return null;
      const text = bytes.toString('utf8', next, next + length);
      return { value: type === '!' ? new ErrorReply(text) : text, next: next + length + 2 };
    }
    case '*':
    case '~':
    case '>':
    case '%': {
      const count = whole(line, MAX_ITEMS) * (type === '%' ? 2 : 1);
      if (count < 0) return { value: null, next };
      return readItems(bytes, next, count, depth + 1);
    }
    default:
      throw new Error(
        `a reply that begins with '${type.replace(/\p{Cc}/u, '?')}': this is no Redis protocol`,
      );
  }
}

function readItems(bytes: Buffer, at: number, count: number, depth: number): ReturnType<typeof readValue> {
  if (depth > MAX_DEPTH) throw new Error('a reply nested too deep');
  const items: Value[] = [];
  let next = at;
  for (let i = 0; i < count; i++) {
    const item = readValue(bytes, next, depth);
    if (item === null) return null;
    items.push(item.value);
    next = item.next;
  }
  return { value: items, next };
}

function whole(text: string, max: number): number {
  const value = /^-?[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= -1 && value <= max)) throw new Error(`a reply of length '${text.slice(0, 20)}'`);
  return value;
}
