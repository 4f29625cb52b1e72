import { hostname } from 'node:os';
import { type LevelWithSilent, pino } from 'pino';

type Fields = Readonly<Record<string, unknown>>;

/** What this room asks of a logger: pino's calls, fields first. */
export interface Log {
  debug(fields: Fields, message: string): void;
  info(fields: Fields, message: string): void;
  warn(fields: Fields, message: string): void;
  error(fields: Fields, message: string): void;
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'json' | 'pretty';
  /** File descriptor; default standard output. */
  readonly fd?: number;
}

/**
 * A pino logger: one JSON object a line. Synchronous, because a worker costs 17 MB and the last lines before a crash
 * are the ones that matter. `pretty` is a formatter of our own: pino-pretty is a development dependency.
 */
export function createLog(options: LogOptions): Log {
  const destination = pino.destination({ fd: options.fd ?? 1, sync: true });
  const level: LevelWithSilent = options.level;
  const json = {
    level,
    base: { pid: process.pid, host: hostname() },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (options.format === 'json') return pino(json, destination);
  return pino(json, {
    write(line: string) {
      destination.write(`${prettyLine(line)}\n`);
    },
  });
}

const LABELS: Readonly<Record<string, string>> = {
  20: 'DEBUG',
  30: 'INFO ',
  40: 'WARN ',
  50: 'ERROR',
  60: 'FATAL',
};
const HIDDEN = new Set(['level', 'time', 'pid', 'host', 'msg']);

/** `12:34:56.789 INFO  message key=value`; a stack follows on lines of its own. */
export function prettyLine(json: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json.trimEnd();
  }
  const time = String(record.time ?? '').slice(11, 23);
  const label = LABELS[String(record.level)] ?? String(record.level);
  let line = `${time} ${label} ${String(record.msg ?? '')}`;
  let stack = '';
  for (const [key, value] of Object.entries(record)) {
    if (HIDDEN.has(key)) continue;
    if (key === 'stack' && typeof value === 'string') stack = `\n${value}`;
    else line += ` ${key}=${prettyValue(value)}`;
  }
  return line + stack;
}

function prettyValue(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? 'undefined';
}
