import type { AgentConfig } from '../config/index.ts';

/** What this room needs of `daemon`; loaded only by the verbs that run one. */
export interface DaemonDoor {
  /** Resolves with the process's exit code when the agent has stopped. `reload` decides the settings afresh. */
  runAgent(config: AgentConfig, options: { readonly reload: () => AgentConfig }): Promise<number>;
  /** `keep`: directory that keeps the nodes' state, or null for a temporary one that is removed. */
  runDev(options: { readonly nodes: number; readonly keep: string | null }): Promise<number>;
}

/** The world outside the program, so that tests run every verb in their own process. */
export interface CliIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether people read standard output, and standard error. */
  readonly isTerminal: boolean;
  readonly isErrorTerminal: boolean;
  readonly columns: number;
  readonly hostname: string;
  readonly homedir: string;
  readonly readFile: (path: string) => string;
  readonly exists: (path: string) => boolean;
  /** Whether a directory on the way may not be searched by this user, so that nobody can say what is there. */
  readonly isLocked: (path: string) => boolean;
  /** Makes a file that only its owner may read; throws as node:fs does, EEXIST when there is one. */
  readonly writeSecret: (path: string, text: string) => void;
  /** A signal that fires at Ctrl-C; asking for it is what takes Ctrl-C over. */
  readonly interrupted: () => AbortSignal;
  readonly daemon: () => Promise<DaemonDoor>;
}
