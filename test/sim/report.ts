import type { RunResult } from './result.ts';

/** A run for people. */
export function reportText(scenario: string, run: RunResult, repeat: string, wallMs: number): string {
  const lines = [`${scenario}, seed ${run.seed}: ${run.violations.length === 0 ? 'held' : 'FAILED'}`];
  for (const [name, value] of Object.entries(run.figures)) {
    if (name === 'traffic') lines.push(...trafficLines(value as Row[]));
    else if (name === 'propagationMs') lines.push(...propagationLines(value as Record<string, number>));
    else lines.push(`  ${words(name)}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  }
  lines.push(
    `  ${(run.virtualMs / 1000).toFixed(1)} s of simulated time, ${run.events} events, in ${(wallMs / 1000).toFixed(1)} s; trace ${run.traceHash}`,
  );
  for (const violation of run.violations.slice(0, 10)) {
    lines.push(`  at ${violation.atMs.toFixed(1)} ms, ${violation.rule}: ${violation.message}`);
  }
  if (run.violations.length > 0) lines.push(`repeat with: ${repeat}`);
  return lines.join('\n');
}

interface Row {
  readonly kind: string;
  readonly messages: number;
  readonly bytes: number;
}

function trafficLines(rows: readonly Row[]): string[] {
  const lines = ['  sent while changes were made:'];
  for (const row of rows) {
    lines.push(
      `    ${row.kind.padEnd(24)} ${String(row.messages).padStart(9)} messages ${String(row.bytes).padStart(11)} bytes`,
    );
  }
  return lines;
}

function propagationLines(ms: Record<string, number>): string[] {
  return [
    `  from the change to a node that shows it: median ${ms.p50} ms, p99 ${ms.p99} ms, slowest ${ms.max} ms`,
  ];
}

/** `healedMs` as "healed ms". */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
