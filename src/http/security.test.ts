import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, RawClient, type Running, run, until } from './fake-node.ts';

/** What a web page, a proxy that reads otherwise, or somebody who tries tokens could do at the TCP listener. */
const BODY = JSON.stringify({ start: 1, end: 9, priority: 1 });

let it_: Running;
beforeEach(async () => {
  it_ = await run();
});
afterEach(() => it_.stop());

async function spoken(text: string): Promise<string> {
  const client = new RawClient(it_.port).send(text);
  client.socket.end();
  await until(() => client.closed, 'the connection is closed');
  return client.text;
}

describe('a request that two programs could read differently', () => {
  const smuggled = `PUT /v1/ranges HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
  it.each([
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 5\r\n'],
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ['chunks that are not the last coding', 'Transfer-Encoding: chunked, identity\r\n'],
    ['a coding with a control character', 'Transfer-Encoding: \x0bchunked\r\n'],
    ['a space before the colon', 'Content-Length : 5\r\n'],
    ['a length that is no number', 'Content-Length: +5\r\n'],
    ['a folded header', 'X: a\r\n b\r\nContent-Length: 5\r\n y\r\n'],
    ['a line ended by a carriage return alone', 'X: a\rContent-Length: 5\r\n'],
  ])('%s: is refused, and what follows on the connection is not answered', async (_what, header) => {
    const answer = await spoken(
      `GET /v1/status HTTP/1.1\r\nHost: localhost\r\n${header}\r\n0\r\n\r\n${smuggled}`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer.match(/HTTP\/1.1 /g)).toHaveLength(1);
    expect(it_.node.calls).toEqual([]);
  });
});

describe('writing over TCP', () => {
  it.each<[string, Record<string, string>, string]>([
    ['nothing', {}, ''],
    ['a form of another site', { 'content-type': 'text/plain', origin: 'https://evil.example' }, ''],
    ['a page of this machine', { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' }, ''],
    ['the token as a cookie', { cookie: 'token=secret' }, ''],
    ['the token in the address', {}, '?token=secret&access_token=secret'],
    ['the token as a password', { authorization: `Basic ${btoa('x:secret')}` }, ''],
    ['another token', { authorization: 'Bearer secrets' }, ''],
    ['a part of the token', { authorization: 'Bearer secre' }, ''],
    ['two tokens', { authorization: 'Bearer wrong secret' }, ''],
    ['an empty token', { authorization: 'Bearer ' }, ''],
  ])('with %s is refused before the body is looked at', async (_what, headers, query) => {
    for (const [method, path] of [
      ['PUT', '/v1/ranges'],
      ['DELETE', '/v1/ranges'],
      ['POST', '/v1/join'],
      ['POST', '/v1/leave'],
    ] as const) {
      const answer = await ask(it_.port, method, `${path}${query}`, BODY, headers);
      expect([401, 403]).toContain(answer.status);
      expect(answer.text).not.toContain('secret');
    }
    expect(it_.node.calls).toEqual([]);
  });

  it('is not done by reading methods, nor by a method named in a header', async () => {
    for (const method of ['GET', 'HEAD', 'POST', 'OPTIONS', 'TRACE']) {
      const answer = await ask(it_.port, method, '/v1/ranges', method === 'HEAD' ? undefined : BODY, {
        'x-http-method-override': 'PUT',
        'x-forwarded-for': '127.0.0.1',
        forwarded: 'for=unix',
      });
      expect(answer.status, method).not.toBe(201);
    }
    expect(it_.node.calls.map(([name]) => name).filter((name) => name !== 'ranges')).toEqual([]);
  });

  it('is never possible where no token is set, whatever is sent as one', async () => {
    const closed = await run({ token: null });
    for (const token of ['', 'null', 'undefined', 'secret']) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await ask(closed.port, 'PUT', '/v1/ranges', BODY, headers)).status).toBe(403);
    }
    expect(closed.node.calls).toEqual([]);
    await closed.stop();
  });
});
