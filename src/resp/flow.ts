import type { Socket } from 'node:net';

/** Of a socket's handle, what Node itself uses to stop and start reading. */
interface Handle {
  reading: boolean;
  readStop(): number;
  readStart(): number;
}

/**
 * Stops reading a socket, or goes on. Node's `pause` would let one more chunk of 64 KB in from every socket first, and all
 * of them in one round of the event loop: a thousand clients would be 64 MB and 25 ms. Where the handle is not what it has been
 * since Node 0.10, `pause` and `resume` have to do.
 */
export function setReading(socket: Socket, on: boolean): void {
  if (socket.destroyed) return;
  const handle = handleOf(socket);
  if (handle === null) {
    if (on) socket.resume();
    else socket.pause();
  } else if (handle.reading !== on && !socket.readableEnded) {
    handle.reading = on;
    if (on) handle.readStart();
    else handle.readStop();
  }
}

function handleOf(socket: Socket): Handle | null {
  const handle = (socket as unknown as { _handle?: Partial<Handle> | null })._handle;
  const isWhole = typeof handle?.readStop === 'function' && typeof handle.readStart === 'function';
  return isWhole && typeof handle.reading === 'boolean' ? (handle as Handle) : null;
}
