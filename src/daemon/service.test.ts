import { expect, test, vi } from 'vitest';
import { ServiceNotifier, watchdogPeriodMs } from './service.ts';

function notifier(env: Record<string, string>, error: Error | null = null) {
  const sent: string[] = [];
  const failures: Error[] = [];
  const service = new ServiceNotifier({
    env,
    pid: 7,
    notify: (args, done) => {
      sent.push(args.join(' '));
      done(error);
    },
    onFailure: (cause) => failures.push(cause),
  });
  return { service, sent, failures };
}

test('without NOTIFY_SOCKET nothing is run', () => {
  const { service, sent } = notifier({ WATCHDOG_USEC: '30000000' });
  service.ready();
  service.stopping();
  expect(sent).toEqual([]);
});

test('readiness, the watchdog at a third of its time, and stopping are announced', () => {
  vi.useFakeTimers();
  try {
    const { service, sent } = notifier({ NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '30000000' });
    service.ready();
    vi.advanceTimersByTime(25_000);
    service.stopping();
    vi.advanceTimersByTime(60_000);
    expect(sent).toEqual(['READY=1 MAINPID=7', 'WATCHDOG=1', 'WATCHDOG=1', 'STOPPING=1']);
  } finally {
    vi.useRealTimers();
  }
});

test('a failing systemd-notify is reported once', () => {
  const { service, failures } = notifier({ NOTIFY_SOCKET: '/run/notify' }, new Error('not found'));
  service.ready();
  service.stopping();
  expect(failures.map((e) => e.message)).toEqual(['not found']);
});

test('the watchdog is for the process it names, and for numbers only', () => {
  expect(watchdogPeriodMs({ WATCHDOG_USEC: '30000000' }, 7)).toBe(10_000);
  expect(watchdogPeriodMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7)).toBe(10_000);
  expect(watchdogPeriodMs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, 7)).toBeNull();
  expect(watchdogPeriodMs({ WATCHDOG_USEC: '0' }, 7)).toBeNull();
  expect(watchdogPeriodMs({ WATCHDOG_USEC: 'soon' }, 7)).toBeNull();
  expect(watchdogPeriodMs({}, 7)).toBeNull();
  expect(watchdogPeriodMs({ WATCHDOG_USEC: '999999999999999' }, 7)).toBe(0x7fffffff);
});
