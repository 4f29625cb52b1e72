import { type Address, BoundedMap, type Rng } from '../base/index.ts';
import { KIND, type TwinMessage } from '../wire/index.ts';

/** A question is repeated after this long, so many times; then nobody is there. */
const ASK = { againMs: 400, times: 7 } as const;
/** Boots asked after at once, and addresses of each. */
const ASKED = { boots: 8, addresses: 4 } as const;
/** One told to go is not asked after again for this long. */
const SETTLED_MS = 30_000;
/** One found absent may only have been cut off: as it shows up again it is asked after again, twice as late each time. */
const ABSENT = { firstMs: 2000, maxMs: SETTLED_MS } as const;
/** Who is to go makes sure after a random time below the first; not sure, again after one below the second, so many times. */
const SURE = { soonMs: 400, againMs: 3000, times: 16 } as const;
/** The verdict of one who goes or is about to: it is there, but nobody goes for it. */
const LEAVING = 3;
const REMEMBERED = 64;

export interface TwinOutputs {
  send(to: Address, message: TwinMessage): void;
  incarnation(): number;
  /** Another process with this node's id answered: it lives. */
  found(at: Address, incarnation: number, nowMs: number): void;
  /** Of the two, this process has to give the id up. Returns whether it does. */
  yields(at: Address, bootNonce: number, nowMs: number): boolean;
  /** Nobody answers for that boot: what was seen of it was old. */
  absent(bootNonce: number): void;
}

interface Asked {
  readonly bootNonce: number;
  readonly addresses: Address[];
  question: number;
  times: number;
  dueMs: number;
  /** This process is to go for that one, and makes sure that it stays. */
  last: boolean;
  /** How often the other was itself about to go. */
  doubts: number;
}

/**
 * Two processes with one id (a copied state directory) find each other out, and agree which of them goes: the one that
 * started later. A record or an echo with this node's id and another boot nonce is only a suspicion, for this node's own
 * past looks the same; it is asked after, and an answer to a random question is the proof that it lives.
 *
 * Ages are compared, for boards have no clocks to trust. Both measure, at different moments, so one of the two decides for
 * both: the one with the smaller boot nonce. It decides once; what it says counts with an answer to a question only.
 *
 * Of three or more that started within the time of a hop, each may have to go for another in a circle. So whoever is to go
 * asks once more, and goes only for one that answers and is not itself asking so, or going. Then one stays: who answered
 * began to make sure, if ever, later than who went for it, and of all who went one began last.
 */
export class Twins {
  readonly counters = { asked: 0, answered: 0, found: 0, absent: 0 };
  readonly #bootNonce: number;
  readonly #rng: Rng;
  readonly #out: TwinOutputs;
  readonly #asked = new Map<number, Asked>();
  /** When a boot that was settled may be asked after again, and how long that was put off. */
  readonly #settled = new BoundedMap<number, { readonly untilMs: number; readonly pauseMs: number }>(
    REMEMBERED,
  );
  readonly #verdicts = new BoundedMap<number, 1 | 2>(REMEMBERED);
  #startMs = 0;
  #gone = false;

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
    if (!anew && nowMs < (this.#settled.get(bootNonce)?.untilMs ?? -Infinity)) return;
    if (this.#asked.size >= ASKED.boots) return;
    this.#asked.set(bootNonce, {
      bootNonce,
      addresses: addresses.slice(0, ASKED.addresses),
      question: this.#question(),
      times: 0,
      dueMs: nowMs,
      last: false,
      doubts: 0,
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
      const question = m.answer === 0 && !(asked?.last ?? false) ? (asked?.question ?? 0) : 0;
      this.#out.send(from, this.#message(question, m.question, this.#leaving() ? LEAVING : verdict, nowMs));
    }
    if (asked === undefined || m.answer !== asked.question || this.#gone) return;
    if (!asked.last) {
      this.counters.found++;
      this.#out.found(from, m.incarnation, nowMs);
    }
    if (m.verdict === LEAVING) {
      if (++asked.doubts < SURE.times) this.#later(asked, SURE.againMs, nowMs);
      else this.#settle(m.bootNonce, nowMs);
    } else if (verdict !== 2 && (verdict !== 0 || m.verdict !== 1)) this.#settle(m.bootNonce, nowMs);
    else if (asked.last) {
      this.#settle(m.bootNonce, nowMs);
      this.#gone = this.#out.yields(from, m.bootNonce, nowMs);
    } else {
      asked.last = true;
      this.#later(asked, SURE.soonMs, nowMs);
    }
  }

  /** It is about to go, or goes. */
  #leaving(): boolean {
    if (this.#gone) return true;
    for (const { last, times } of this.#asked.values()) if (last && times > 0) return true;
    return false;
  }

  #question(): number {
    return 1 + this.#rng.below(0xffffffff);
  }

  /** Asks anew, after a random time: until then it is as if nothing had been asked. */
  #later(asked: Asked, withinMs: number, nowMs: number): void {
    asked.question = this.#question();
    asked.times = 0;
    asked.dueMs = nowMs + this.#rng.below(withinMs);
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
        const before = this.#settled.get(asked.bootNonce)?.pauseMs ?? ABSENT.firstMs / 2;
        this.#settle(asked.bootNonce, nowMs, Math.min(ABSENT.maxMs, 2 * before));
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

  #settle(bootNonce: number, nowMs: number, pauseMs: number = SETTLED_MS): void {
    this.#asked.delete(bootNonce);
    this.#settled.set(bootNonce, { untilMs: nowMs + pauseMs, pauseMs });
  }

  /** Who goes: 1 the other, 2 this process. */
  #decide(m: TwinMessage, nowMs: number): 1 | 2 {
    const before = this.#verdicts.get(m.bootNonce);
    if (before !== undefined) return before;
    const verdict = nowMs - this.#startMs < m.ageMs ? 2 : 1;
    this.#verdicts.set(m.bootNonce, verdict);
    return verdict;
  }

  #message(question: number, answer: number, verdict: 0 | 1 | 2 | 3, nowMs: number): TwinMessage {
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
