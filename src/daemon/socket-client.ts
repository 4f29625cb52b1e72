import { type IncomingMessage, request } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { systemReason } from '../base/index.ts';

const TIMEOUT_MS = 5_000;
/** An answer of a group on one machine is far smaller; more is a mistake. */
const ANSWER_CHARS = 8 << 20;

/** One call to an agent of this machine through its admin socket; resolves with the JSON of a 200. */
export async function callSocket<T>(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await open(socketPath, method, path, body === undefined ? null : JSON.stringify(body));
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) {
    text += chunk;
    if (text.length > ANSWER_CHARS) throw new Error(`${path}: the answer is too large`);
  }
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode} ${text}`);
  return JSON.parse(text) as T;
}

/** Calls back with the JSON of each server-sent event; `onEnd` once, when the stream is over. Returns how to stop it. */
export function followEvents(
  socketPath: string,
  onEvent: (event: unknown) => void,
  onEnd: () => void,
): () => void {
  let stopped = false;
  let response: IncomingMessage | undefined;
  const end = (): void => {
    if (stopped) return;
    stopped = true;
    onEnd();
  };
  open(socketPath, 'GET', '/v1/events', null).then((opened) => {
    response = opened;
    if (stopped) opened.destroy();
    const decoder = new StringDecoder('utf8');
    let rest = '';
    opened.on('data', (chunk: Buffer) => {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('data:') && !stopped) onEvent(JSON.parse(line.slice(5)));
      }
    });
    opened.on('error', end);
    opened.on('close', end);
  }, end);
  return () => {
    stopped = true;
    response?.destroy();
  };
}

function open(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body: string | null,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = body === null ? {} : { 'Content-Type': 'application/json' };
    const call = request({ socketPath, method, path, headers, agent: false }, (response) => {
      call.setTimeout(0);
      resolve(response);
    });
    call.setTimeout(TIMEOUT_MS, () =>
      call.destroy(new Error(`${path}: no answer within ${TIMEOUT_MS / 1000} s`)),
    );
    call.on('error', (error) =>
      reject(new Error(`the agent at ${socketPath} cannot be asked: ${systemReason(error)}`)),
    );
    call.end(body ?? undefined);
  });
}
