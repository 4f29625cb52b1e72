/**
 * Every bound that protects memory or time from strangers, in one place and by name. Units go last.
 * Raising one costs memory in proportion on a 128 MB board; the comment says what is held.
 */
export const LIMITS = {
  /** Payload of one datagram, before the network's own headers: safe on Ethernet, Wi-Fi and most tunnels. */
  datagramBytes: 1200,
  /** One message in a datagram: what the seal (or, without a key, nothing) leaves of it. */
  messageBytes: 1148,
  /** One frame on a TCP stream. A larger announced length closes the connection. */
  frameBytes: 1 << 20,
  /** State sent by anti-entropy is cut into frames of about this size, so that no single one stalls the loop. */
  syncChunkBytes: 32 * 1024,
  /** Members known, whatever their state. A record of one more is dropped and counted. */
  members: 8192,
  /** Registrations (map entries) over all nodes. One more is refused (locally) or dropped and counted (remote). */
  registrations: 1_000_000,
  /** Separate increments one entry holds before `increase` asks for a `register` that sums them up. */
  incrementsPerEntry: 1024,
  /** Greatest priority, and greatest amount of one adjustment. */
  priority: 2 ** 31 - 1,
  /** Intervals of one actor's causal context; a context more torn than this is refused. */
  contextIntervals: 4096,
  /** Deltas that wait for the next group. Beyond it, deltas are left to anti-entropy and counted. */
  pendingDeltas: 8192,
  /** Messages (delta groups) sent per flush; the rest waits for the next. */
  groupsPerFlush: 32,
  /** Tree hops that wait for an acknowledgement. Beyond it, new hops are left to anti-entropy and counted. */
  pendingHops: 4096,
  /** Broadcast ids remembered, so that a message is relayed once; those of publications apart from those of changes. */
  seenMessages: 8192,
  /** Own multicasts kept for those who ask for a missed one. */
  multicastHistory: 128,
  /** Missed multicasts asked for at once, per sender. */
  multicastRepairs: 16,
  /** Streams open at once, in and out together. */
  streams: 256,
  /** Bytes that may wait on one outgoing stream before it is closed as too slow. */
  streamBacklogBytes: 8 << 20,
  /** Commands that wait for their journal record. */
  pendingCommands: 4096,
  /** Length of a node or cluster name, in UTF-8 bytes. */
  nameBytes: 64,
  /** Tags of one node, and bytes of one tag's key or value. */
  tags: 32,
  tagBytes: 128,
  /** Addresses in one join command. */
  joinAddresses: 64,
  /** Body of one HTTP request. */
  httpBodyBytes: 64 * 1024,
  /** Watchers of the event stream at once, and how many of these places only the Unix socket has. */
  eventWatchers: 64,
  socketWatchers: 16,
  /** Events kept for a watcher that comes back with Last-Event-ID. */
  eventHistory: 1024,
  /** One journal record. A larger length found on disk is taken for damage. */
  journalRecordBytes: 8 << 20,
  /** Bytes written and synced to the journal in one go. */
  journalBatchBytes: 1 << 20,
  /** Journal notes kept for another try while the disk refuses them. Beyond it they are dropped and counted. */
  journalRetryBytes: 1 << 20,
  /** Damaged files set aside, per kind; the oldest go first. */
  setAsideFiles: 4,
  /** Host names whose resolution is remembered, and peers whose address text is. */
  resolvedHosts: 1024,
  /** Distinct actors in the map's causal context: every node that ever wrote, about 300 bytes each. */
  actors: 65_536,
  /** Messages one anti-entropy answer is cut into at most; the rest is asked for again. */
  syncChunksPerReply: 64,
  /** Connections open at once, per HTTP listener. */
  httpConnections: 512,
  /** HTTP requests that wait for convergence at once, and how many of these places only the Unix socket has. */
  httpWaiters: 16,
  httpSocketWaiters: 8,
  /** Bytes of an unwanted or too large HTTP body that are read off before the connection is cut. */
  httpDiscardBytes: 1 << 20,
  /** Bytes that may wait for one watcher of the event stream before it is closed as too slow. */
  eventBacklogBytes: 1 << 20,
  /** Keys of the ring in use at once, as an operator may install them; see also `mergedKeys`. */
  keys: 8,
  /** Removals of keys that are remembered: with the keys of two full rings that were joined they fit one sealed datagram. */
  removedKeys: 16,
  /** Boots of senders whose replay windows are kept, about 500 bytes each. One that was dropped proves itself anew. */
  sealedBoots: 8192,
  /** Boots that were asked to prove that they live, with the datagrams held meanwhile. */
  sealedProofs: 512,
  /** Datagrams held for one of them. */
  heldDatagrams: 8,
  /** Streams that called and have not proved to hold a key (unsealed: sent a frame); one more ends an older one. */
  unprovenStreams: 128,
  /** Senders whose key is in no ring of ours that are remembered for the warnings. */
  keyStrangers: 16,
  /** Probes run for other members at once. One more is not answered, which its asker takes for a sign of trouble. */
  probeErrands: 64,
  /** Members told of late that they are not believed to live; keeps that to about one message a second for each. */
  toldMembers: 256,
  /** Hosts whose rate is remembered, of those that no member is known to speak from; about 100 bytes each. */
  strangerHosts: 1024,
  /** Streams open at once that one host opened: a quarter, so that a stranger cannot take them all. */
  streamsPerHost: 64,
  /** Of `streams`, kept for this node's own calls, and for calls from hosts where members live. */
  ownStreams: 64,
  memberStreams: 64,
  /** Sockets of closed streams that still send what waits; one more cuts the oldest off. */
  lingeringStreams: 64,
  /** Events that wait for one event script; of more, the oldest are dropped, counted, and the script is told. */
  hookQueue: 256,
  /** Of what one run of an event script writes, the log gets this much. */
  hookOutputBytes: 4096,
  /** Addresses that seal with a key that is not in the ring and are tried with the keys that are; a datagram is kept of each. */
  keyOffers: 64,
  /** Keys in use at once where rings were joined that changed apart: two full ones with a common key have one less. */
  mergedKeys: 16,
  /** Lists (members, ranges, segments) being sent at once over TCP, and over the Unix socket; each may hold a table. */
  httpLists: 4,
  httpSocketLists: 16,
  /** Requests that wait for their turn of the event loop, per HTTP listener. */
  httpTurns: 64,
  /** Commands, and bytes of them, that MULTI collects; EXEC runs them in one go. */
  transactionCommands: 65_536,
  transactionBytes: 64 << 20,
  /** Keys that one client watches, and bytes of them. */
  watchedKeys: 1024,
  watchedBytes: 1 << 20,
  /** Names of what one client subscribes to, together. */
  subscribedBytes: 16 << 20,
  /** Replies of one client, and bytes of them, that wait for an earlier answer or the disk before its next commands do. */
  respWaitingReplies: 4096,
  respWaitingBytes: 8 << 20,
  /** Input of all clients that was read and waits for its turn before nobody is read any further. */
  respQueuedBytes: 8 << 20,
  /** A message published to the group, with its channel's name: it travels in one frame. */
  publicationBytes: 1_000_000,
  /** Memory for publications of this node that wait to be sent; beyond it they are dropped and counted. */
  waitingPublicationBytes: 16 << 20,
  /** Publications of one other node that wait for an earlier one; beyond it they are handed on without it. */
  heldPublicationBytes: 1 << 20,
  /** Processes whose publications are told apart, about 1 KB each. */
  publishers: 1024,
  /** Tree hops of publications that wait for an acknowledgement: the other places are for changes. */
  publicationHops: 3072,
  /** Arguments of one command, with its name: a key takes some microseconds, and all are done in one turn. */
  respArguments: 65_537,
  /** Answer of KEYS, which is put together before it is sent. */
  respKeysBytes: 64 << 20,
  /** Copies of values that one reply, of MGET or EXEC, is put together of; large values are not copied. */
  respReplyBytes: 64 << 20,
  /** A client that has to log in and does not, for so long, is cut. */
  respLoginMs: 30_000,
  /** As is one that has sent half a command and takes so long for each so many bytes of the rest. */
  respDawdlingMs: 60_000,
  respDawdlingBytes: 64 * 1024,
} as const;
