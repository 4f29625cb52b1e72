import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { ShoalError, systemReason } from '../base/index.ts';

/** Permissions nobody but the owner may have on a file with keys or a token. */
const OTHERS = 0o077;
/** systemd lets the service read a credential by an access list, whose mask shows as the group's right to read. */
const OTHERS_IN_CREDENTIALS = 0o037;
const MAX_FILE_BYTES = 64 * 1024;

/** The text of a file that only its owner may read. @throws ShoalError as `bad` makes it */
export function readSecretFile(path: string, what: string, bad: (message: string) => ShoalError): string {
  let file: number | null = null;
  try {
    // One file throughout: what is read is what was looked at. Not waiting, as for a pipe nobody writes to.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(file);
    if (stat.isDirectory()) throw bad(`${path} is a directory: name a file`);
    const credentials = process.env.CREDENTIALS_DIRECTORY;
    const isCredential = credentials !== undefined && path.startsWith(`${credentials}/`);
    if ((stat.mode & (isCredential ? OTHERS_IN_CREDENTIALS : OTHERS)) !== 0) {
      const shown = (stat.mode & 0o777).toString(8).padStart(4, '0');
      throw bad(`${path} has mode ${shown}, so others can read or change it: chmod 600 ${path}`);
    }
    if (stat.size > MAX_FILE_BYTES) throw bad(`${path} is too long for a ${what} file`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ShoalError) throw error;
    throw bad(`cannot read ${path} (${systemReason(error)}): give a file that this user can read`);
  } finally {
    if (file !== null) closeSync(file);
  }
}
