import type { IncomingMessage } from 'node:http';
import { LIMITS, ShoalError } from '../base/index.ts';

/** The client went away before its body was there: nobody is left to answer. */
export class ClientGone extends Error {}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Reads the whole body, at most `LIMITS.httpBodyBytes`. @throws ShoalError `too-large`, `bad-json` (not UTF-8) */
export async function readBody(req: IncomingMessage): Promise<string> {
  const bytes = await readBytes(req);
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ShoalError('bad-json', 'the body is not UTF-8: send JSON in UTF-8');
  }
}

function readBytes(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const refuse = (): void => {
      chunks.length = 0;
      req.off('data', onData); // the refusal discards the rest
      const message = `the body is larger than ${LIMITS.httpBodyBytes} bytes: send less`;
      reject(new ShoalError('too-large', message));
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > LIMITS.httpBodyBytes) refuse();
      else chunks.push(chunk);
    };
    if (Number(req.headers['content-length'] ?? 0) > LIMITS.httpBodyBytes) return refuse();
    req.on('data', onData);
    req.on('end', () => resolve(Buffer.concat(chunks, size)));
    req.on('error', () => reject(new ClientGone()));
    req.on('close', () => reject(new ClientGone()));
  });
}

/**
 * Reads off a body that nobody wants, so that the answer arrives and the connection can be used again; past
 * `LIMITS.httpDiscardBytes` the connection is cut.
 */
export function discardBody(req: IncomingMessage): void {
  const announced = req.headers['transfer-encoding'] ?? req.headers['content-length'] ?? '0';
  if (announced === '0' || req.complete) return;
  let size = 0;
  req.on('error', () => {});
  req.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > LIMITS.httpDiscardBytes) req.socket.destroy();
  });
}
