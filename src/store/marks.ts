/**
 * A mark stands in the index where a record's reference would: the record is on disk only (level/). It has the key's hash, and
 * in its lower 31 bits when the record expires, in seconds from MARK_EPOCH_MS on, rounded down; 0: never.
 */
export const MARK = 2 ** 31;
/** 2020-01-01: 31 bits of seconds from here last until 2088; later expiries count as then, and are seen again when they are read. */
const MARK_EPOCH_MS = Date.UTC(2020, 0, 1);

export const MARK_STEP_MS = 1000;

export function markOf(expiryMs: number): number {
  if (expiryMs === 0) return MARK;
  const seconds = Math.floor((expiryMs - MARK_EPOCH_MS) / MARK_STEP_MS);
  return MARK + Math.min(Math.max(seconds, 1), MARK - 1);
}

/** When the record may expire at the soonest; 0: never. */
export function markExpiryMs(mark: number): number {
  return mark === MARK ? 0 : MARK_EPOCH_MS + (mark - MARK) * MARK_STEP_MS;
}
