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

/** Whether a socket has more than it takes. Of much that was taken at once it wants to be drained as well. */
export function isStreamFull(socket: Socket): boolean {
  return socket.writableNeedDrain && socket.writableLength > 0;
}

/** Bytes given to a socket that the kernel has not taken yet, as Node's own timeouts look at them; 0 where that is not known. */
export function unsentBytes(socket: Socket): number {
  return (socket as unknown as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0;
}

/** Of a socket's handle and of Node's bindings, what its streams write with. */
interface WriteRequest {
  buffer?: Uint8Array;
  oncomplete?: (status: number) => void;
}
interface Writing {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: ArrayLike<number>;
  readonly kLastWriteWasAsync: number;
}
interface Writer {
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

function findWriting(): Writing | null {
  try {
    const { binding } = process as unknown as { binding?: (name: string) => Partial<Writing> };
    const found = binding?.('stream_wrap');
    const isWhole =
      typeof found?.WriteWrap === 'function' &&
      typeof found.kLastWriteWasAsync === 'number' &&
      found.streamBaseState !== undefined;
    return isWhole ? (found as Writing) : null;
  } catch {
    return null;
  }
}

const WRITING = findWriting();
/** Left as it was by every write that the kernel took at once. */
let request: WriteRequest | null = null;

/**
 * Writes past the socket's stream, whose bookkeeping costs a tenth of a small command's time (measured), to the handle that it writes to
 * itself. Gives 0 when the kernel took all, else how many bytes are kept, which are all of them: what is left goes out in order, `bytes`
 * stays as it is until then, and `wentOut` is called.
 * Less than 0: nothing was written, and it is the stream's turn, which has something to send already, or this Node does not have what
 * it takes. After an error the socket is destroyed.
 */
export function writeNow(socket: Socket, bytes: Uint8Array, wentOut: () => void): number {
  const handle = (socket as unknown as { _handle?: Partial<Writer> | null })._handle as Writer | null;
  if (WRITING === null || socket.writableLength > 0 || !socket.writable) return -1;
  if (typeof handle?.writeBuffer !== 'function') return -1;
  request ??= new WRITING.WriteWrap();
  const status = handle.writeBuffer(request, bytes);
  if (WRITING.streamBaseState[WRITING.kLastWriteWasAsync] === 0) {
    if (status !== 0) socket.destroy();
    return 0;
  }
  request.buffer = bytes;
  request.oncomplete = (end) => {
    if (end < 0) socket.destroy();
    wentOut();
  };
  request = null;
  return bytes.length;
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
