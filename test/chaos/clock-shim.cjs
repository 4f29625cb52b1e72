// Loaded before the agent (--require): shifts its clocks by what the file CHAOS_CLOCK says, read at the start and at each
// SIGUSR2. The wall clock may go anywhere; the monotonic one only forward, as after a suspension the process slept through.
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
