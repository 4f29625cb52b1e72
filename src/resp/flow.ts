import { Socket } from 'node:net';

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

/** Bytes given to a socket that the kernel has not taken yet, as Node's own timeouts look at them; 0 where that is not known. */
export function unsentBytes(socket: Socket): number {
  return (socket as unknown as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0;
}

interface Insides {
  _handle: (Partial<Handle> & { useUserBuffer?: unknown }) | null;
  _server?: unknown;
  server?: unknown;
}

/**
 * The same connection as a socket that reads into `buffer`, which all of them share, and calls `came` with the length: Node's
 * own way (`onread`), which it offers for outgoing connections only. Without it every read takes 64 KB of new memory.
 * Gives null when this Node does not have what it takes, or something has been read already.
 */
export function sharingReads(
  socket: Socket,
  buffer: Uint8Array,
  came: (length: number) => void,
): Socket | null {
  const old = socket as unknown as Insides;
  const handle = handleOf(socket);
  if (handle === null || typeof old._handle?.useUserBuffer !== 'function') return null;
  if (socket.bytesRead > 0 || socket.readableLength > 0) return null;
  const options = {
    handle,
    allowHalfOpen: false,
    onread: {
      buffer,
      callback: (length: number): boolean => {
        came(length);
        return true;
      },
    },
  };
  old._handle = null;
  const own = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
  const inside = own as unknown as Insides;
  inside.server = old.server;
  inside._server = old._server;
  old._server = null;
  return own;
}
