import { RequestReader } from './request.ts';

/** One connected client: what its connection remembers between commands. */
export class Client {
  readonly id: number;
  readonly address: string;
  readonly request = new RequestReader();
  /** RESP version of its replies. */
  version: 2 | 3 = 2;
  authenticated = true;
  name = '';
  libraryName = '';
  libraryVersion = '';
  readonly connectedMs: number;
  lastMs: number;
  lastCommand = '';
  /** QUIT was answered, or the protocol is broken: nothing more is read. */
  closing = false;

  constructor(id: number, address: string, nowMs: number) {
    this.id = id;
    this.address = address;
    this.connectedMs = nowMs;
    this.lastMs = nowMs;
  }
}
