/** What must be undone when the program ends, however it ends; newest first. Synchronous: it runs in an exit handler. */
const undo = new Set<() => void>();

/** Returns a function that undoes it now. */
export function onEnd(action: () => void): () => void {
  undo.add(action);
  return () => {
    if (!undo.delete(action)) return;
    action();
  };
}

export function cleanUp(): void {
  for (const action of [...undo].reverse()) {
    undo.delete(action);
    try {
      action();
    } catch (error) {
      console.error(`bench: could not clean up: ${(error as Error).message}`);
    }
  }
}

/** Call once: signals and mistakes clean up too. */
export function atEnd(): void {
  process.on('exit', cleanUp);
  const signals = [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const;
  for (const [signal, exitCode] of signals) process.on(signal, () => process.exit(exitCode));
  process.on('uncaughtException', (error) => {
    console.error(error);
    process.exit(1);
  });
}
