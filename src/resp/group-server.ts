import { parseLevel } from './ack-level.ts';
import { GroupProxy } from './proxy.ts';
import { GroupRouter, type RouterParts } from './routing.ts';
import { RespServer, type RespServerOptions } from './server.ts';

export interface GroupServerParts extends RouterParts {
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
  const { store, settings, hooks } = parts;
  const level = parseLevel(parts.level);
  const server = new RespServer(store, {
    ...(settings === undefined ? {} : { settings }),
    ...(hooks === undefined ? {} : { hooks }),
    ...(level === null ? {} : { level }),
  });
  const router = new GroupRouter(parts);
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
