/**
 * Keeps the page's copy of the node's answers fresh: what an event touches is fetched again, at most twice a second and
 * never more than a fifth of the time, so that a large table does not keep a board busy; the rest is polled slowly;
 * nothing while the page is hidden.
 */

/** @typedef {keyof typeof PATHS} Topic */
/** @typedef {import('../../../node/contract.ts').StatusView} Status */

const PATHS = {
  status: '/v1/status',
  members: '/v1/members',
  owners: '/v1/owners',
  ranges: '/v1/ranges',
  propagation: '/v1/propagation',
  drops: '/v1/drops',
  ready: '/readyz',
  store: '/v1/store',
  history: '/v1/store/history',
  slowlog: '/v1/store/slowlog',
};
/** @type {readonly Topic[]} */
export const STORE_TOPICS = ['store', 'history', 'slowlog'];
const LEAST_GAP_MS = 500;
const DUTY = 4;
const POLL_MS = 5000;
const TIMEOUT_MS = 15_000;
const RETRY_MS = [1000, 1000, 2000, 3000, 5000];

/** @type {readonly Topic[]} */
const ALL = ['status', 'members', 'owners', 'ranges', 'propagation', 'drops', 'ready', ...STORE_TOPICS];
/** @type {readonly Topic[]} */
const POLLED = ['status', 'members', 'propagation', 'drops', 'ready', ...STORE_TOPICS];

export class Feed {
  /** @type {Set<Topic>} */
  #stale = new Set(ALL);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #running = false;
  #paused = false;
  #nextAllowed = 0;
  #failures = 0;
  /** What the tables were fetched for, to notice a change whose event was missed. */
  #tablesFor = '';
  #onData;
  #onLink;
  #queryOf;

  /**
   * @param {(topic: Topic, answer: unknown) => void} onData
   * @param {(state: 'live' | 'lost', problem: string) => void} onLink `problem`: what a reachable node refused
   * @param {(topic: Topic) => string | null} queryOf what goes behind the path; null: it is not to be asked
   */
  constructor(onData, onLink, queryOf) {
    this.#onData = onData;
    this.#onLink = onLink;
    this.#queryOf = queryOf;
  }

  /** @param {readonly Topic[]} topics */
  refetch(topics = ALL) {
    for (const topic of topics) this.#stale.add(topic);
    if (!this.#paused && !this.#running && this.#failures === 0)
      this.#arm(this.#nextAllowed - performance.now());
  }

  pause() {
    this.#paused = true;
    clearTimeout(this.#timer);
  }

  resume() {
    this.#paused = false;
    if (this.#failures > 0) this.#arm(0);
    else this.refetch(POLLED);
  }

  /** @param {number} delayMs */
  #arm(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), Math.max(0, delayMs));
  }

  async #run() {
    if (this.#running || this.#paused) return;
    this.#running = true;
    const started = performance.now();
    const topics = [...this.#stale];
    this.#stale.clear();
    // While the node is gone one small question is enough to see it come back.
    const asked = this.#failures > 0 ? /** @type {Topic[]} */ (['status']) : topics;
    const problems = await Promise.all(asked.map((topic) => this.#fetch(topic)));
    this.#running = false;
    const spent = performance.now() - started;
    this.#nextAllowed = performance.now() + Math.max(LEAST_GAP_MS, DUTY * spent);
    if (problems.includes('unreachable')) {
      for (const topic of ALL) this.#stale.add(topic);
      this.#failures++;
      this.#onLink('lost', '');
      this.#schedule(RETRY_MS[Math.min(this.#failures, RETRY_MS.length) - 1] ?? POLL_MS);
      return;
    }
    const back = this.#failures > 0;
    this.#failures = 0;
    this.#onLink('live', problems.find((problem) => problem !== '') ?? '');
    if (back) for (const topic of ALL) this.#stale.add(topic);
    const waiting = this.#stale.size > 0;
    if (!waiting) for (const topic of POLLED) this.#stale.add(topic);
    this.#schedule(back ? 0 : waiting ? this.#nextAllowed - performance.now() : POLL_MS);
  }

  /** @param {number} delayMs */
  #schedule(delayMs) {
    if (!this.#paused) this.#arm(delayMs);
  }

  /**
   * @param {Topic} topic
   * @returns {Promise<string>} '' when all is well
   */
  async #fetch(topic) {
    const query = this.#queryOf(topic);
    if (query === null) return '';
    /** @type {Response} */
    let response;
    /** @type {string} */
    let text;
    try {
      response = await fetch(PATHS[topic] + query, {
        cache: 'no-store',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch {
      return 'unreachable';
    }
    if (topic === 'ready') {
      this.#onData('ready', { ready: response.ok, reason: text.slice(0, 200) });
      return '';
    }
    // Too many ask at once: once more with the next round.
    if (response.status === 503) this.#stale.add(topic);
    if (!response.ok) return `The node answered ${response.status} to ${PATHS[topic]}.`;
    try {
      const answer = JSON.parse(text);
      this.#onData(topic, answer);
      if (topic === 'status') this.#checkTables(answer);
      return '';
    } catch (error) {
      console.error(error);
      return `The answer to ${PATHS[topic]} could not be shown.`;
    }
  }

  /** @param {Status} status */
  #checkTables({ digest, members, ranges }) {
    const tablesFor = JSON.stringify([digest, members, ranges]);
    if (this.#tablesFor !== '' && this.#tablesFor !== tablesFor) {
      this.#stale.add('owners');
      this.#stale.add('ranges');
    }
    this.#tablesFor = tablesFor;
  }
}
