/** Samples kept of an event, and buckets of a histogram (powers of two, in microseconds). */
const SAMPLES = 160;
const BUCKETS = 31;

export interface LatencySample {
  readonly atSeconds: number;
  readonly ms: number;
}

interface Spikes {
  samples: LatencySample[];
  maxMs: number;
}

/** How often a command took how long. */
export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  calls = 0;

  add(usec: number): void {
    this.calls++;
    const bucket = Math.min(BUCKETS - 1, usec <= 1 ? 0 : 32 - Math.clz32(Math.ceil(usec) - 1));
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1;
  }

  /** Upper ends of the buckets that are not empty, with how many took at most so long. */
  cumulative(): [usec: number, calls: number][] {
    const out: [number, number][] = [];
    let sum = 0;
    this.#buckets.forEach((calls, i) => {
      sum += calls;
      if (calls > 0) out.push([2 ** i, sum]);
    });
    return out;
  }
}

/** Spikes of named events (`command`, `fast-command`, `turn`, ...), as LATENCY shows them. */
export class Latency {
  readonly #events = new Map<string, Spikes>();

  event(name: string, ms: number, atMs: number): void {
    let spikes = this.#events.get(name);
    if (spikes === undefined) {
      spikes = { samples: [], maxMs: 0 };
      this.#events.set(name, spikes);
    }
    const atSeconds = Math.floor(atMs / 1000);
    const whole = Math.round(ms);
    spikes.maxMs = Math.max(spikes.maxMs, whole);
    const last = spikes.samples.at(-1);
    // One sample a second, the worst.
    if (last?.atSeconds === atSeconds) {
      if (last.ms < whole) spikes.samples[spikes.samples.length - 1] = { atSeconds, ms: whole };
      return;
    }
    spikes.samples.push({ atSeconds, ms: whole });
    if (spikes.samples.length > SAMPLES) spikes.samples.shift();
  }

  get names(): string[] {
    return [...this.#events.keys()];
  }

  history(name: string): readonly LatencySample[] {
    return this.#events.get(name)?.samples ?? [];
  }

  maxMs(name: string): number {
    return this.#events.get(name)?.maxMs ?? 0;
  }

  /** Forgets these events, or all: how many there were. */
  reset(names: readonly string[]): number {
    if (names.length > 0) return names.filter((name) => this.#events.delete(name)).length;
    const count = this.#events.size;
    this.#events.clear();
    return count;
  }
}
