import type { Store } from '../store/index.ts';
import { type AckLevel, showLevel } from './ack-level.ts';

/**
 * Tells when all that was written until now is on disk: with '' then, or with the error to give instead, when the disk failed or
 * the level's time was over first (then once more later, which is to be ignored).
 */
export function awaitDisk({ backend }: Store, level: AckLevel, told: (error: string) => void): void {
  const { timeoutMs } = level;
  const told1m0d = `ACKTIMEOUT 1m0d of ${showLevel(level)}`;
  const late = (): void => told(`${told1m0d} after ${timeoutMs} ms`);
  const timer = timeoutMs > 0 ? setTimeout(late, timeoutMs).unref() : undefined;
  backend.whenOnDisk(backend.sequence, (error) => {
    clearTimeout(timer);
    told(error === null ? '' : `${told1m0d}: the disk failed; the write may be lost with this machine`);
  });
}
