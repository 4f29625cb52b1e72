import { describe, expect, it } from 'vitest';
import { createNode } from '../../src/node/index.ts';
import type { NodeFactory } from '../../src/node/machine.ts';
import { alarmRun, killRun, leaveRun, stallRun } from './scenarios/detection.ts';

// Short runs; the long ones are `npm run sim -- --scenario kill --nodes 500`, `alarms --loss 20 --seconds 3600`, `stalls`.

/** A machine that never learns that it stood still: it is woken for each timer it missed at the time that this was for. */
const oblivious: NodeFactory = (boot, options, outputs, rng) => {
  const machine = createNode(boot, options, outputs, rng);
  const wake = machine.wake.bind(machine);
  machine.wake = (nowMs) => {
    for (let dueMs = machine.nextWakeMs(); dueMs < nowMs; dueMs = machine.nextWakeMs()) wake(dueMs);
    wake(nowMs);
  };
  return machine;
};

describe('failure detection', () => {
  it('tells everybody of a death within 2.5 s (median) and 5 s (all), at 64 nodes, and is cheap while nothing happens', () => {
    const run = killRun({
      seed: 1,
      factory: createNode,
      nodes: 64,
      kills: 12,
      loss: 0,
      domains: 0,
      formed: null,
    });
    expect(run.violations).toEqual([]);
    const all = run.figures.allKnowMs as { p50: number; max: number };
    expect(all.p50).toBeLessThan(2500);
    expect(all.max).toBeLessThan(5000);
    expect(run.figures.idleBytesPerSecondAndNode).toBeLessThan(400);
  });

  it('calls nobody down who lives: 100 nodes, 20 % loss', () => {
    const run = alarmRun({ seed: 2, factory: createNode, nodes: 100, seconds: 40, loss: 20 });
    expect(run.violations).toEqual([]);
    expect(run.figures.downs).toBe(0);
  });

  it('calls nobody down who lives: 40 nodes, 50 % loss', () => {
    const run = alarmRun({ seed: 3, factory: createNode, nodes: 40, seconds: 30, loss: 50 });
    expect(run.violations).toEqual([]);
    expect(run.figures.downs).toBe(0);
  });

  it('accuses nobody that runs when a tenth of the nodes stalls for 5 s a minute, and all are back in the end', () => {
    const run = stallRun({ seed: 4, factory: createNode, nodes: 40, seconds: 100 });
    expect(run.violations).toEqual([]);
    expect(run.figures.suspicionsSeen).toBeGreaterThan(100);
  });

  it('fails that test when a node runs the timers it missed as if they were on time', () => {
    for (const seed of [4, 5]) {
      const run = stallRun({ seed, factory: oblivious, nodes: 40, seconds: 100 });
      expect(run.violations.map(({ rule }) => rule)).toContain('accuses');
    }
  });

  it('tells everybody of a leave at once, and within a second or two when datagrams get lost', () => {
    for (const domains of [0, 1]) {
      const run = { factory: createNode, nodes: 24, kills: 10, domains, formed: null };
      const clean = leaveRun({ ...run, seed: 6, loss: 0 });
      const lossy = leaveRun({ ...run, seed: 7, loss: 5 });
      expect([...clean.violations, ...lossy.violations]).toEqual([]);
      expect((clean.figures.allKnowMs as { max: number }).max).toBeLessThan(50);
      expect((lossy.figures.allKnowMs as { max: number }).max).toBeLessThan(3000);
    }
  });

  it('is as quick and as cheap in a group of 500', () => {
    const run = killRun({
      seed: 5,
      factory: createNode,
      nodes: 500,
      kills: 6,
      loss: 0,
      domains: 0,
      formed: createNode,
    });
    expect(run.violations).toEqual([]);
    const all = run.figures.allKnowMs as { p50: number; max: number };
    expect(all.p50).toBeLessThan(3000);
    expect(all.max).toBeLessThan(6000);
    expect(run.figures.idleBytesPerSecondAndNode).toBeLessThan(250);
  });
});
