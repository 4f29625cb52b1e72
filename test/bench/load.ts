import { Pipe } from './pipe.ts';

/** Positions between two ranges of the load. */
const SPACING = 10_000;

/**
 * Changes of a bounded set of ranges of one node: each is registered, raised, lowered, and released in the end, over
 * and over. Every range belongs to one connection, so that its calls are in order; each amount is another.
 */
export async function change(socket: string, changes: number, connections: number, ranges: number) {
  let left = changes;
  let refused = 0;
  const perConnection = Math.floor(ranges / connections);
  const work = async (pipe: Pipe, range: number): Promise<void> => {
    const start = range * SPACING;
    const end = start + SPACING - 1;
    for (let step = 0; left > 0; step++) {
      left--;
      const { status } = await call(pipe, step, start, end);
      if (status !== 200) refused++;
    }
  };
  const pipes = Array.from({ length: connections }, () => new Pipe(socket));
  const fromMs = performance.now();
  await Promise.all(
    pipes.flatMap((pipe, c) =>
      Array.from({ length: perConnection }, (_, r) => work(pipe, c * perConnection + r)),
    ),
  );
  for (const pipe of pipes) pipe.close();
  return { refused, seconds: (performance.now() - fromMs) / 1000 };
}

function call(pipe: Pipe, step: number, start: number, end: number) {
  switch (step % 4) {
    case 0:
      return pipe.call('PUT', '/v1/ranges', { start, end, priority: 1 + (step % 1000) });
    case 1:
      return pipe.call('PATCH', '/v1/ranges', { start, end, by: 7 });
    case 2:
      return pipe.call('PATCH', '/v1/ranges', { start, end, by: -1 });
    default:
      return pipe.call('DELETE', '/v1/ranges', { start, end });
  }
}
