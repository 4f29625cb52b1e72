import { defineConfig } from 'vitest/config';

/** The program that the tests start. */
const BUILD = 'test/e2e/build.ts';

/**
 * Suites: `unit` and `tidy` need nothing, `e2e` starts real agents, `clients` needs the Redis clients of Debian, `net` root and network
 * namespaces, `package` root and Debian's mirror.
 */
export default defineConfig({
  test: {
    // One fewer by default: a single one where there are two processors.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'src/**/*.test.ts',
            'test/unit/**/*.test.ts',
            'test/frozen/**/*.test.ts',
            'test/sim/**/*.test.ts',
            'test/fuzz/**/*.test.ts',
            'test/chaos/**/*.test.ts',
          ],
          testTimeout: 300_000,
        },
      },
      { test: { name: 'tidy', include: ['test/tidy/**/*.test.ts'] } },
      {
        test: {
          name: 'e2e',
          globalSetup: BUILD,
          // Else vitest hands out every .css as an empty text, also by `?raw`: the status page's style.
          css: true,
          include: ['test/e2e/**/*.test.ts', 'test/redis/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'clients',
          globalSetup: BUILD,
          include: ['test/clients/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'package',
          globalSetup: BUILD,
          include: ['test/package/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'net',
          globalSetup: BUILD,
          include: ['test/net/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
