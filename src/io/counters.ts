/** What passed through the sockets, and what was dropped and why. One shape, counted up in place. */
export class NetworkCounters {
  datagramsOut = 0;
  datagramBytesOut = 0;
  datagramsIn = 0;
  datagramBytesIn = 0;
  multicastsOut = 0;
  multicastBytesOut = 0;
  multicastsIn = 0;
  multicastBytesIn = 0;
  sendErrors = 0;
  /** Longer than LIMITS.datagramBytes. */
  oversized = 0;
  /** Multicast from outside while this node is on loopback, or the other way round. */
  foreign = 0;
  /** A host name without a known address yet. */
  unresolved = 0;
  streamsIn = 0;
  streamsOut = 0;
  streamBytesIn = 0;
  streamBytesOut = 0;
  streamsRefused = 0;
  /** More from one host than LIMITS.streamsPerHost. */
  streamsOfOneHost = 0;
  /** Ended because they proved nothing: in time, or before another caller needed the place. */
  streamsUnproven = 0;
  /** Closed because the peer read too slowly, and because it announced too long a frame. */
  streamsTooSlow = 0;
  framesTooLong = 0;
}
