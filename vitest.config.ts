import { defineConfig } from 'vitest/config';

/**
 * Suites: `unit` and `tidy` need nothing, `e2e` starts real agents, `clients` needs the Redis clients of Debian, `net` root and network
 * namespaces, `package` root and Debian's mirror.
 */
export default defineConfig({
  test: {
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
          testTimeout: 60_000,
        },
      },
      { test: { name: 'tidy', include: ['test/tidy/**/*.test.ts'] } },
      {
        test: {
          name: 'e2e',
          // Else vitest hands out every .css as an empty text, also by `?raw`: the status page's style.
          css: true,
          include: ['test/e2e/**/*.test.ts', 'test/redis/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'net',
          include: ['test/net/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
