import { type Address, BoundedMap, type Rng } from '../base/index.ts';
import { KIND, type TwinMessage } from '../wire/index.ts';

/** A question is repeated after this long, so many times; then nobody is there. */
const ASK = { againMs: 400, times: 7 } as const;
/** Boots asked after at once, and addresses of each. */
const ASKED = { boots: 8, addresses: 4 } as const;
/** One that was found absent, or told to go, is not asked after again for this long. */
const SETTLED_MS = 30_000;
const REMEMBERED = 64;

export interface TwinOutputs {
  send(to: Address, message: TwinMessage): void;
  incarnation(): number;
  /** Another process with this node's id answered: it lives. */
  found(at: Address, incarnation: number, nowMs: number): void;
  /** Of the two, this process has to give the id up. */
  yields(at: Address, nowMs: number): void;
  /** Nobody answers for that boot: what was seen of it was old. */
  absent(bootNonce: number): void;
}

interface Asked {
  readonly bootNonce: number;
  readonly addresses: Address[];
  readonly question: number;
  times: number;
  dueMs: number;
}

/**
 * Two processes with one id (a copied state directory) find each other out, and agree which of them goes: the one that
 * started later. A record or an echo with this node's id and another boot nonce is only a suspicion, for this node's own
 * past looks the same; it is asked after, and an answer to a random question is the proof that it lives.
 *
 * Ages are compared, for boards have no clocks to trust. Both measure, at different moments, so one of the two decides for
 * both: the one with the smaller boot nonce. It decides once; what it says counts with an answer to a question only.
 */
export class Twins {
  readonly counters = { asked: 0, answered: 0, found: 0, absent: 0 };
  readonly #bootNonce: number;
  readonly #rng: Rng;
  readonly #out: TwinOutputs;
  readonly #asked = new Map<number, Asked>();
  readonly #settledMs = new BoundedMap<number, number>(REMEMBERED);
  readonly #verdicts = new BoundedMap<number, 1 | 2>(REMEMBERED);
  #startMs = 0;

  constructor(bootNonce: number, rng: Rng, out: TwinOutputs) {
    this.#bootNonce = bootNonce;
    this.#rng = rng;
    this.#out = out;
  }

  start(nowMs: number): void {
    this.#startMs = nowMs;
  }

  /** Something of another boot with this id was seen; these are places where it may be. `anew`: even if settled of late. */
  suspect(bootNonce: number, addresses: readonly Address[], nowMs: number, anew = false): void {
    if (bootNonce === this.#bootNonce || addresses.length === 0) return;
    const known = this.#asked.get(bootNonce);
    if (known !== undefined) {
      for (const address of addresses) {
        if (known.addresses.length < ASKED.addresses && !known.addresses.includes(address))
          known.addresses.push(address);
      }
      return;
    }
    if (!anew && nowMs - (this.#settledMs.get(bootNonce) ?? -Infinity) < SETTLED_MS) return;
    if (this.#asked.size >= ASKED.boots) return;
    this.#asked.set(bootNonce, {
      bootNonce,
      addresses: addresses.slice(0, ASKED.addresses),
      question: 1 + this.#rng.below(0xffffffff),
      times: 0,
      dueMs: nowMs,
    });
    this.wake(nowMs);
  }

  received(m: TwinMessage, from: Address, nowMs: number): void {
    if (m.bootNonce === this.#bootNonce) return;
    const verdict = this.#bootNonce < m.bootNonce ? this.#decide(m, nowMs) : 0;
    // Whoever asks may have been taken for absent a moment ago.
    this.suspect(m.bootNonce, [from], nowMs, m.question !== 0 && m.answer === 0);
    const asked = this.#asked.get(m.bootNonce);
    if (m.question !== 0) {
      this.counters.answered++;
      // An answer to an answer asks nothing, or the two would never be quiet.
      const question = m.answer === 0 ? (asked?.question ?? 0) : 0;
      this.#out.send(from, this.#message(question, m.question, verdict, nowMs));
    }
    if (asked === undefined || m.answer !== asked.question) return;
    this.#settle(m.bootNonce, nowMs);
    this.counters.found++;
    this.#out.found(from, m.incarnation, nowMs);
    if (verdict === 2 || (verdict === 0 && m.verdict === 1)) this.#out.yields(from, nowMs);
  }

  nextMs(): number {
    let next = Infinity;
    for (const { dueMs } of this.#asked.values()) next = Math.min(next, dueMs);
    return next;
  }

  wake(nowMs: number): void {
    for (const asked of this.#asked.values()) {
      if (nowMs < asked.dueMs) continue;
      if (asked.times >= ASK.times) {
        this.#settle(asked.bootNonce, nowMs);
        this.counters.absent++;
        this.#out.absent(asked.bootNonce);
        continue;
      }
      asked.times++;
      asked.dueMs = nowMs + ASK.againMs;
      this.counters.asked++;
      const verdict = this.#verdicts.get(asked.bootNonce) ?? 0;
      for (const to of asked.addresses) this.#out.send(to, this.#message(asked.question, 0, verdict, nowMs));
    }
  }

  #settle(bootNonce: number, nowMs: number): void {
    this.#asked.delete(bootNonce);
    this.#settledMs.set(bootNonce, nowMs);
  }

  /** Who goes: 1 the other, 2 this process. */
  #decide(m: TwinMessage, nowMs: number): 1 | 2 {
    const before = this.#verdicts.get(m.bootNonce);
    if (before !== undefined) return before;
    const verdict = nowMs - this.#startMs < m.ageMs ? 2 : 1;
    this.#verdicts.set(m.bootNonce, verdict);
    return verdict;
  }

  #message(question: number, answer: number, verdict: 0 | 1 | 2, nowMs: number): TwinMessage {
    return {
      kind: KIND.twin,
      question,
      answer,
      bootNonce: this.#bootNonce,
      incarnation: this.#out.incarnation(),
      ageMs: Math.max(0, Math.round(nowMs - this.#startMs)),
      verdict,
    };
  }
}
