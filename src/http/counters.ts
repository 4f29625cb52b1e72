import { readdirSync } from 'node:fs';
import type { MetricFamily } from '../node/contract.ts';

const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** What the HTTP edge counts about itself. Reasons are codes from our own source, so their number is bounded by it. */
export class Counters {
  readonly #answered = new Map<string, number>();
  readonly #rejected = new Map<string, number>();
  watchers = 0;
  slowWatchersClosed = 0;
  resyncs = 0;

  constructor() {
    for (const statusClass of STATUS_CLASSES) this.#answered.set(statusClass, 0);
  }

  answered(status: number): void {
    const statusClass = STATUS_CLASSES[Math.floor(status / 100) - 1] ?? '5xx';
    this.#answered.set(statusClass, (this.#answered.get(statusClass) ?? 0) + 1);
  }

  rejected(reason: string): void {
    this.#rejected.set(reason, (this.#rejected.get(reason) ?? 0) + 1);
  }

  families(): MetricFamily[] {
    return [
      {
        name: 'shoal_http_requests_total',
        help: 'HTTP requests answered, by class of status.',
        type: 'counter',
        samples: labelled('class', this.#answered),
      },
      {
        name: 'shoal_http_rejected_total',
        help: 'HTTP requests and connections refused, by reason.',
        type: 'counter',
        samples: labelled('reason', this.#rejected),
      },
      gauge('shoal_http_event_watchers', 'Event streams open.', this.watchers),
      counter(
        'shoal_http_slow_watchers_closed_total',
        'Event streams closed because they read too slowly.',
        this.slowWatchersClosed,
      ),
      counter(
        'shoal_http_event_resyncs_total',
        'Event streams that came back after more than is remembered, or from another run, and were told so.',
        this.resyncs,
      ),
    ];
  }
}

/** Figures of this process, read when asked for. */
export function processFamilies(version: string): MetricFamily[] {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  const families: MetricFamily[] = [
    {
      name: 'shoal_build_info',
      help: 'Always 1; the labels say what runs.',
      type: 'gauge',
      samples: [{ labels: { version, node: process.version, arch: process.arch }, value: 1 }],
    },
    gauge('shoal_process_resident_memory_bytes', 'Resident memory.', memory.rss),
    gauge('shoal_process_heap_used_bytes', 'JavaScript heap in use.', memory.heapUsed),
    gauge('shoal_process_heap_total_bytes', 'JavaScript heap reserved.', memory.heapTotal),
    gauge('shoal_process_external_memory_bytes', 'Memory of buffers outside the heap.', memory.external),
    {
      name: 'shoal_process_cpu_seconds_total',
      help: 'Processor time used, by mode.',
      type: 'counter',
      samples: [
        { labels: { mode: 'user' }, value: cpu.user / 1e6 },
        { labels: { mode: 'system' }, value: cpu.system / 1e6 },
      ],
    },
    gauge('shoal_process_uptime_seconds', 'Seconds since the process started.', process.uptime()),
    {
      name: 'shoal_process_active_resources',
      help: 'Sockets, timers and requests that keep the process running, by type.',
      type: 'gauge',
      samples: labelled('type', activeResources()),
    },
  ];
  const openFds = countOpenFds();
  if (openFds !== null) families.push(gauge('shoal_process_open_fds', 'File descriptors open.', openFds));
  return families;
}

function activeResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo().sort()) counts.set(type, (counts.get(type) ?? 0) + 1);
  return counts;
}

/** Null where there is no /proc. The directory's own descriptor is not counted. */
function countOpenFds(): number | null {
  try {
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return null;
  }
}

function labelled(label: string, values: ReadonlyMap<string, number>): MetricFamily['samples'] {
  return [...values].map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ value }] };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [{ value }] };
}
