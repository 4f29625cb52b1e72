import type { StoreNode } from '../node/contract.ts';
import type { Store } from '../store/index.ts';
import { parseLevel } from './ack-level.ts';
import { GroupProxy } from './proxy.ts';
import { GroupRouter } from './routing.ts';
import { RespServer, type RespServerOptions } from './server.ts';

export interface GroupServerParts {
  readonly node: StoreNode;
  readonly store: Store;
  /** What nodes prove to each other that they are of one group; see link-auth.ts. */
  readonly secrets: () => readonly Uint8Array[];
  /** Links from other machines need no proof. */
  readonly open: boolean;
  readonly nowMs: () => number;
  /** Default ack level, as text. */
  readonly level: string;
  readonly settings: RespServerOptions['settings'];
  readonly hooks?: RespServerOptions['hooks'];
}

/** A server that is a member of a group: commands run where their keys are. */
export interface GroupServer {
  readonly server: RespServer;
  readonly router: GroupRouter;
  close(): Promise<void>;
}

export function createGroupServer(parts: GroupServerParts): GroupServer {
  const { node, store, secrets, open, nowMs, settings, hooks } = parts;
  const level = parseLevel(parts.level);
  const server = new RespServer(store, {
    ...(settings === undefined ? {} : { settings }),
    ...(hooks === undefined ? {} : { hooks }),
    ...(level === null ? {} : { level }),
  });
  const router = new GroupRouter({ node, store, secrets, open, nowMs });
  router.spread = new GroupProxy(router, store, server.state);
  server.state.router = router;
  return {
    server,
    router,
    close: async () => {
      await server.close();
      router.close();
    },
  };
}
