import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../log.ts';
import { StateDirectory } from './directory.ts';

/** A board that was set back to an older version after a newer one had run on it. */
describe('a state directory that a later version wrote', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'shoal-newer-'));
    const { state } = await StateDirectory.open(directory, { log: silentLog });
    await new Promise((resolve) => state.persist(Buffer.from('first'), resolve));
    await state.close({ nextCounter: 5, incarnation: 2, snapshot: Buffer.from('all of it') });
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function everything(): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for (const name of (await readdir(directory)).sort())
      files[name] = (await readFile(join(directory, name))).toString('latin1');
    return files;
  }

  async function refused(name: string): Promise<void> {
    const before = await everything();
    const why = `${name} was written by a newer version of shoal \\(format 2\\): install that version again`;
    const { log, error } = await StateDirectory.open(directory, { log: silentLog }).then(
      () => ({ log: 'opened', error: null }),
      (reason) => ({ log: String(reason.message), error: reason }),
    );
    expect(log).toMatch(new RegExp(why));
    expect(error).toMatchObject({ code: 'state-newer', field: 'data-dir' });
    expect(await everything()).toEqual(before);
  }

  it.each(['snapshot', 'journal.1'])('is refused for its %s, and nothing in it is changed', async (name) => {
    const bytes = await readFile(join(directory, name));
    expect(bytes.toString('latin1', 0, 8)).toMatch(/^shoal[SJ]1\n$/);
    bytes[6] = 0x32;
    await writeFile(join(directory, name), bytes);
    await refused(name);
  });

  it.each(['boot', 'boot.bak'])('is refused for its %s, and nothing in it is changed', async (name) => {
    const text = await readFile(join(directory, name), 'utf8');
    await writeFile(join(directory, name), text.replace('"version":1', '"version":2'));
    await refused(name);
  });

  it('is not taken for one when it is damaged', async () => {
    const bytes = await readFile(join(directory, 'snapshot'));
    for (const [at, value] of [
      [6, 0x30],
      [6, 0x61],
      [5, 0x58],
      [25, 0],
    ] as const) {
      const damaged = Buffer.from(bytes);
      damaged[at] = value;
      await writeFile(join(directory, 'snapshot'), damaged);
      const { state, boot } = await StateDirectory.open(directory, { log: silentLog });
      expect(boot.warnings.join()).toContain('damaged and was set aside');
      await state.abandon();
    }
  });
});
