/**
 * seal: authenticated encryption of everything on the network (RFC 8439, ChaCha20-Poly1305: boards have no AES
 * instructions), the keyring, nonces, and what keeps a replay from meaning anything.
 *
 * Intuition: an envelope between the machine and the sockets. The machine's messages go in unread and come out at the other
 * end, or not at all; neither side of it knows that it is there. It does not know members, messages or the map; it opens
 * no socket and reads no clock or file: those are passed in. Randomness is node:crypto's, the one thing of Node here.
 *
 * Datagram: version, key id, boot salt (96 random bits a start), counter (48), mix (32); sealed: kind, digest of the
 * sender's ring, its clock, message; tag. The cluster's name and the header are covered by the tag. Why a nonce never comes twice: the
 * key is HMAC(ring key, salt, cluster), so counters of another boot, node or cluster meet another key; within a boot the
 * counter only rises, and a new salt is drawn at 2^40 of 2^48. A cloned or restored state directory holds no salt and no
 * counter. A machine copied or set back while it runs draws a new salt when its wall clock is set right; until then the
 * nonce differs by `mix`, the monotonic clock in nanoseconds: likely, not surely. Streams: keys from random bytes of both
 * sides, a counter each way.
 *
 * Replays. Per boot a window of 2048 counters. A boot this process has not met may be a recording, and so may what comes
 * later than its sender's clock says (freshness.ts: what was said to others has new counters too): the boot is asked to
 * seal a number first (boots.ts, questions.ts). So a recording of any age changes nothing, also after a restart of the receiver.
 * The bound is FRESH_MS, four seconds: what was sealed longer ago is never taken, but for what the two clocks have run
 * apart since the boot's last proof, an hour ago at most: 4.7 s in all at 200 in a million. A proof is good for so long
 * after it was asked for, and the sender's clock is reckoned from then, so keeping it back wins nothing. When our own wall
 * clock jumps, for this machine was asleep or set back, every boot must prove itself anew (clock-watch.ts). What remains:
 * a datagram of the last 4.7 s can be put in late, or turned to another member, once; a machine set back whose wall clock
 * nobody puts right takes again what it has forgotten. Payloads are joins, which stand that. The bound is for datagrams
 * and a stream's first frame: later frames can be held back, in order, until the session's limit of silence (10 s).
 *
 * Keyring (ring.ts): a lattice, spread by the seal itself: every datagram tells a digest of the sender's ring, and rings that
 * differ are exchanged, datagram by datagram and at the start of each stream. A peer whose ring differs is answered with
 * the key it used, a silent one tried with each key in turn, and who seals with a key unknown here asked with each of ours (offers.ts); streams
 * agree on a key both have: so a node that was off during a rotation is back while any key is common, and is told when none is. A group key has no forward secrecy, and any holder can speak as any node: what a
 * holder can do is bounded by the rooms above, not here.
 *
 * The key file begins a ring and is no way into a saved one (door.ts): with a key of the file that the saved ring lacks, a
 * node takes the ring of those who seal with it, if the two know of one key, and neither tells nor says anything.
 *
 * After `remove` nothing is sealed or opened with the key, and streams agreed with it end. Whoever holds any key that any
 * node still takes can have that node take his keyring: a node that was off while a stolen key was removed must not come
 * back with it (deploy/README.md).
 *
 * Streams: whose first sealed frame comes later than four seconds after our greeting is ended, for it may have been kept
 * back. Who has not sealed one yet is told to io (`proven`), which lets it give way.
 *
 * Bounds: LIMITS.keys ... keyStrangers; whatever strangers without a key send costs one hash and one failed
 * tag, and is answered, if at all, with no more bytes than came; a question or an answer that came to all is dropped. Keys
 * are in this process's memory and cannot be wiped from it: JavaScript copies as it likes.
 * Called by io's driver (in between), made by daemon. Tests: beside the files; test/fuzz; test/sim/sealed.test.ts;
 * test/e2e/seal.test.ts; test/net/security.test.ts.
 */
export { OVERHEAD_BYTES } from './envelope.ts';
export { GroupSeal, type KeyOperation, type Receiver, type SealParts, type Transport } from './group-seal.ts';
export { generateKey, KEY_BYTES, parseKey } from './key.ts';
export type { KeyInfo } from './keys.ts';
export { DROPS, type Drop } from './shared.ts';
