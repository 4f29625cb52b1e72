import type { KeyRing } from './ring.ts';

interface Use {
  sealed: number;
  opened: number;
  sealedMs: number;
  openedMs: number;
}

/** What may be told of a key: everything but the key. Times are milliseconds ago; null: never by this process. */
export interface KeyInfo {
  readonly id: string;
  readonly primary: boolean;
  readonly sealedMessages: number;
  readonly openedMessages: number;
  readonly lastSealedMs: number | null;
  readonly lastOpenedMs: number | null;
}

/** When each key was last of use: tells whether a key can be removed. */
export class KeyUses {
  readonly #uses = new Map<string, Use>();

  sealed(id: string, nowMs: number): void {
    const use = this.#of(id);
    use.sealed++;
    use.sealedMs = nowMs;
  }

  opened(id: string, nowMs: number): void {
    const use = this.#of(id);
    use.opened++;
    use.openedMs = nowMs;
  }

  /** Keys no longer in the ring are not counted on. */
  forget(ring: KeyRing): void {
    for (const id of [...this.#uses.keys()]) if (ring.get(id) === null) this.#uses.delete(id);
  }

  list(ring: KeyRing, nowMs: number): KeyInfo[] {
    return ring.ids().map((id) => {
      const use = this.#uses.get(id);
      const ago = (ms: number): number => Math.max(0, Math.round(nowMs - ms));
      return {
        id,
        primary: id === ring.primary,
        sealedMessages: use?.sealed ?? 0,
        openedMessages: use?.opened ?? 0,
        lastSealedMs: use === undefined || use.sealed === 0 ? null : ago(use.sealedMs),
        lastOpenedMs: use === undefined || use.opened === 0 ? null : ago(use.openedMs),
      };
    });
  }

  #of(id: string): Use {
    let use = this.#uses.get(id);
    if (use === undefined) {
      use = { sealed: 0, opened: 0, sealedMs: 0, openedMs: 0 };
      this.#uses.set(id, use);
    }
    return use;
  }
}
