// Loaded before the agent (--require). Shifts its clocks by what the file CHAOS_CLOCK says, read at the start and at each
// SIGUSR2: the wall clock may go anywhere, the monotonic one only forward, as after a suspension the process slept through.
// And counts the timers that are set, also those that do not keep the process running, into what /metrics tells of it.
'use strict';
const { readFileSync } = require('node:fs');

const RealDate = Date;
const realNow = performance.now.bind(performance);
let wallMs = 0;
let monotonicMs = 0;

function read() {
  try {
    ({ wallMs, monotonicMs } = JSON.parse(readFileSync(process.env.CHAOS_CLOCK, 'utf8')));
  } catch {
    // Not written yet: no shift.
  }
}

globalThis.Date = class ShiftedDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + wallMs);
    else super(...args);
  }

  static now() {
    return RealDate.now() + wallMs;
  }
};
performance.now = () => realNow() + monotonicMs;
process.on('SIGUSR2', read);
read();

const timers = new Set();
const { setTimeout: realSetTimeout, setInterval: realSetInterval } = globalThis;
globalThis.setTimeout = (callback, delay, ...args) => {
  const timer = realSetTimeout(() => {
    timers.delete(timer);
    callback(...args);
  }, delay);
  timers.add(timer);
  return timer;
};
globalThis.setInterval = (...args) => {
  const timer = realSetInterval(...args);
  timers.add(timer);
  return timer;
};
for (const name of ['clearTimeout', 'clearInterval']) {
  const real = globalThis[name];
  globalThis[name] = (timer) => {
    timers.delete(timer);
    real(timer);
  };
}
const resources = process.getActiveResourcesInfo.bind(process);
process.getActiveResourcesInfo = () => [
  ...resources().filter((type) => type !== 'Timeout'),
  ...Array.from(timers, () => 'Timeout'),
];
