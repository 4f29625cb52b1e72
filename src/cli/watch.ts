import { EXIT } from './errors.ts';
import type { Shell } from './shell.ts';
import { pause } from './wait.ts';

const REDRAW_MS = 1000;
/** Home, then erase from there down: what has scrolled off stays. */
const CLEAR_SCREEN = '\x1b[H\x1b[J';

/** Draws an answer every second until Ctrl-C. A daemon that goes away later may come back: it is asked on. */
export async function watch<View>(
  shell: Shell,
  fetch: () => Promise<View>,
  linesOf: (view: View) => readonly string[],
): Promise<number> {
  const stop = shell.io.interrupted();
  let view = await fetch();
  let trouble: string | null = null;
  while (!stop.aborted) {
    const clear = shell.io.isTerminal && !shell.json ? CLEAR_SCREEN : '';
    if (trouble !== null) {
      // Not to standard error, which may be a file.
      shell.io.stdout(clear);
      shell.note(trouble);
    } else if (shell.json) shell.printJson(view);
    else shell.io.stdout(`${clear}${linesOf(view).join('\n')}\n${clear === '' ? '\n' : ''}`);
    await pause(REDRAW_MS, stop);
    if (stop.aborted) break;
    try {
      view = await fetch();
      trouble = null;
    } catch (error) {
      trouble = (error as Error).message;
    }
  }
  return EXIT.done;
}
