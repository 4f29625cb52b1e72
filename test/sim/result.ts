import type { Session } from './session.ts';
import type { Violation } from './world.ts';

/** What a run has to say. */
export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly events: number;
  /** Figures of the scenario's own. */
  readonly figures: Readonly<Record<string, unknown>>;
}

export function result(seed: number, session: Session, figures: Record<string, unknown>): RunResult {
  const { world, model } = session;
  return {
    seed,
    violations: world.violations,
    traceHash: world.traceHash(),
    virtualMs: Math.round(world.nowMs),
    events: world.events.ran,
    figures: {
      changes: session.workload.issued,
      acknowledged: model.acknowledged,
      refused: model.refused,
      dots: session.dots.seen,
      decided: { ...model.decided },
      ...figures,
    },
  };
}

/** The value below which a share of the sorted numbers lies. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
