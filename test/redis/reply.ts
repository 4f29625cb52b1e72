/** A reply, taken apart: its type is the sign it begins with. */
export interface Reply {
  readonly type: string;
  /** Of a string, an error or a number: its text, a byte a character; of a list nothing; null of what is not there. */
  readonly text: string | null;
  readonly parts: readonly Reply[];
}

/** The reply at `at` in `bytes` and where the next begins; null when it is not whole. */
export function readReply(bytes: Buffer, at: number): { reply: Reply; next: number } | null {
  const end = bytes.indexOf('\r\n', at);
  if (end < 0) return null;
  const type = String.fromCharCode(bytes[at] as number);
  const line = bytes.toString('latin1', at + 1, end);
  let next = end + 2;
  if (type === '$' || type === '=') {
    const length = Number(line);
    if (length < 0) return { reply: { type, text: null, parts: [] }, next };
    if (next + length + 2 > bytes.length) return null;
    return {
      reply: { type, text: bytes.toString('latin1', next, next + length), parts: [] },
      next: next + length + 2,
    };
  }
  if ('*%~>'.includes(type)) {
    if (Number(line) < 0) return { reply: { type, text: null, parts: [] }, next };
    const parts: Reply[] = [];
    for (let left = Number(line) * (type === '%' ? 2 : 1); left > 0; left--) {
      const part = readReply(bytes, next);
      if (part === null) return null;
      parts.push(part.reply);
      next = part.next;
    }
    return { reply: { type, text: '', parts }, next };
  }
  if (!'+-:,#_('.includes(type))
    throw new Error(`no reply begins with ${JSON.stringify(type)}: ${line.slice(0, 80)}`);
  return { reply: { type, text: type === '_' ? null : line, parts: [] }, next };
}

export function show(reply: Reply): string {
  if (reply.parts.length > 0) return `${reply.type}[${reply.parts.map(show).join(' ')}]`;
  if (reply.text === null) return `${reply.type}null`;
  return '*%~>'.includes(reply.type) ? `${reply.type}[]` : reply.type + JSON.stringify(reply.text);
}
