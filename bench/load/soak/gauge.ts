import { monitorEventLoopDelay } from 'node:perf_hooks';
import { writeHeapSnapshot } from 'node:v8';
import type { GaugeAnswer, GaugeQuestion } from './gauge-protocol.ts';

// Loaded into the server before its own program: tells what it holds when asked, and ends it with the bench.

const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();

process.on('disconnect', () => process.exit());
process.on('message', (question: GaugeQuestion) => {
  const answer = toAnswer(question);
  if (answer !== null) process.send?.(answer);
});

function toAnswer(question: GaugeQuestion): GaugeAnswer | null {
  switch (question.type) {
    case 'memory':
      return memory();
    case 'delays':
      return takeDelays();
    case 'snapshot':
      return { type: 'snapshot', file: writeHeapSnapshot(question.file) };
    case 'cpu': {
      const { user, system } = process.cpuUsage();
      return { type: 'cpu', us: user + system };
    }
    default:
      return null;
  }
}

/** Of what is alive: twice, for what only a first collection lets go. */
function memory(): GaugeAnswer {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  return { type: 'memory', heapBytes: heapUsed, externalBytes: external, rssBytes: rss, resources };
}

/** Since the last time. */
function takeDelays(): GaugeAnswer {
  const toMs = (ns: number): number => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);
  const answer: GaugeAnswer = {
    type: 'delays',
    p50Ms: toMs(delays.percentile(50)),
    p99Ms: toMs(delays.percentile(99)),
    maxMs: toMs(delays.max),
  };
  delays.reset();
  return answer;
}
