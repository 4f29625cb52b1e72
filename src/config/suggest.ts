/** The candidate nearest to what was written, when it is near enough to be meant. */
export function closest(written: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  // Two swapped letters are two edits.
  let bestDistance =
    (written.length < 4 ? 1 : Math.max(2, Math.floor(Math.min(written.length, 40) * 0.4))) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(written.slice(0, 40), candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein: insertions, deletions, substitutions. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitute, (above[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    above = row;
  }
  return above[b.length] as number;
}
