import { systemReason } from '../base/index.ts';
import { clip, defaultSocketPath } from '../config/index.ts';
import { usage } from './errors.ts';
import type { CliIo } from './io.ts';

/** Where the daemon is asked. */
export type Target =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'url';
      readonly host: string;
      readonly port: number;
      readonly token: string | null;
      /** The socket that was looked for first, and is not there. */
      readonly missing?: string;
      /** The socket that this user may not look for. */
      readonly locked?: string;
    };

export interface TargetFlags {
  readonly socket: string | undefined;
  readonly url: string | undefined;
  readonly tokenFile: string | undefined;
}

/** Where the systemd unit has it. */
const SYSTEM_SOCKET = '/run/shoal/shoal.sock';
const DEFAULT_HTTP = { host: '127.0.0.1', port: 29980 };

/**
 * Flag, then environment, then the first default socket that is there. With none there, a verb that only reads may ask
 * the default HTTP address.
 */
export function chooseTarget(flags: TargetFlags, io: CliIo, readOnly: boolean): Target {
  if (flags.socket !== undefined && flags.url !== undefined) {
    throw usage('--socket and --url are both given: keep one');
  }
  const fromUrl =
    flags.url ?? (flags.socket === undefined && !io.env.SHOAL_SOCKET ? io.env.SHOAL_URL : undefined);
  if (fromUrl) return urlTarget(fromUrl, flags.tokenFile ?? io.env.SHOAL_TOKEN_FILE, io);
  if (flags.tokenFile !== undefined)
    throw usage('--token-file goes with --url: the admin socket needs no token');
  const path = flags.socket ?? io.env.SHOAL_SOCKET;
  if (path === '')
    throw usage(
      flags.socket === ''
        ? '--socket: a path may not be empty'
        : 'SHOAL_SOCKET is set, and empty: give it the path of the admin socket, or unset it',
    );
  if (path !== undefined) return { kind: 'socket', path };
  const own = defaultSocketPath(io);
  const candidates = [own, SYSTEM_SOCKET];
  const found = candidates.find((candidate) => io.exists(candidate));
  if (found !== undefined) return { kind: 'socket', path: found };
  const locked = candidates.find((candidate) => io.isLocked(candidate));
  if (!readOnly) return { kind: 'socket', path: locked ?? own };
  const url = { kind: 'url', ...DEFAULT_HTTP, token: null } as const;
  return locked === undefined ? { ...url, missing: own } : { ...url, locked };
}

function urlTarget(text: string, tokenFile: string | undefined, io: CliIo): Target {
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  } catch {
    throw usage(`--url: '${clip(text)}' is not a URL: write http://HOST:PORT`);
  }
  if (url.protocol !== 'http:' || url.pathname !== '/' || url.search !== '' || url.username !== '') {
    throw usage(`--url: '${clip(text)}' will not do: write http://HOST:PORT and nothing behind it`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    kind: 'url',
    host,
    port: url.port === '' ? 80 : Number(url.port),
    token: readToken(tokenFile, io),
  };
}

function readToken(file: string | undefined, io: CliIo): string | null {
  if (!file) return null;
  let token: string;
  try {
    token = io.readFile(file).trim();
  } catch (error) {
    throw usage(
      `--token-file: cannot read ${clip(file)} (${systemReason(error)}): give the file with the daemon's token`,
    );
  }
  if (!/^[\x21-\x7e]{1,1024}$/.test(token)) {
    throw usage(`--token-file: ${clip(file)} must hold one token, printable characters without spaces`);
  }
  return token;
}

export function describeTarget(target: Target): string {
  if (target.kind === 'socket') return target.path;
  const url = `http://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
  return target.missing === undefined ? url : `${target.missing} or ${url}`;
}
