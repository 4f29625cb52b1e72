import { parseLevel } from './ack-level.ts';
import { linkSecret } from './link-auth.ts';
import { GroupProxy } from './proxy.ts';
import { GroupRouter, type RouterParts } from './routing.ts';
import { RespServer, type RespServerOptions } from './server.ts';

export interface GroupServerParts extends Omit<RouterParts, 'secrets'> {
  /** The group's keyring; null: nothing is sealed, and nodes know each other by the store's password. */
  readonly keys: (() => readonly Uint8Array[]) | null;
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
  const { node, store, settings, hooks, keys } = parts;
  const level = parseLevel(parts.level);
  const server = new RespServer(store, {
    ...(settings === undefined ? {} : { settings }),
    hooks: { ...hooks, publishToGroup: (channel, message) => void node.publish(channel, message) },
    ...(level === null ? {} : { level }),
  });
  const secrets = (): Uint8Array[] => {
    if (keys !== null) return keys().map(linkSecret);
    const { password } = server.state.settings;
    return password === '' ? [] : [linkSecret(password)];
  };
  const router = new GroupRouter({ ...parts, secrets });
  router.spread = new GroupProxy(router, store, server.state);
  server.state.router = router;
  const { channels } = server.state;
  router.slotsChanged = () => {
    if (channels.shardCount > 0) channels.keepShards((channel) => router.servesShard(channel));
  };
  const stopListening = node.onPublished((channel, message) => {
    channels.deliver(
      Buffer.from(channel.buffer, channel.byteOffset, channel.length).toString('latin1'),
      message,
    );
  });
  return {
    server,
    router,
    close: async () => {
      stopListening();
      await server.close();
      router.close();
    },
  };
}
