const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOENT: 'there is no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  EEXIST: 'it exists already',
  ELOOP: 'its symbolic links go round in a circle',
  ENAMETOOLONG: 'the path is too long',
  ENOSPC: 'no space left',
  EDQUOT: 'the quota is used up',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  EIO: 'the disk failed',
  EADDRINUSE: 'the address is taken',
  EADDRNOTAVAIL: 'that is not an address of this machine',
  EAFNOSUPPORT: 'this machine does not have that kind of address',
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ECONNABORTED: 'the connection was cut',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'there is no way to that host',
  EHOSTDOWN: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ENETDOWN: 'the network is down',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name service does not answer',
};

/** The operating system's error, of a file, socket or name, in words for people; a rare one stays its code. */
export function systemReason(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'string') return REASONS[code] ?? code;
  return String(message ?? error).split('\n')[0] ?? '';
}
