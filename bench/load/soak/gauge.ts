import { writeHeapSnapshot } from 'node:v8';
import type { GaugeAnswer, GaugeQuestion } from './gauge-protocol.ts';

// Loaded into the server before its own program: tells what it holds when asked, and ends it with the bench.

process.on('disconnect', () => process.exit());
process.on('message', (question: GaugeQuestion) => {
  const answer = toAnswer(question);
  if (answer !== null) process.send?.(answer);
});

function toAnswer(question: GaugeQuestion): GaugeAnswer | null {
  switch (question.type) {
    case 'memory':
      return memory();
    case 'snapshot':
      return { type: 'snapshot', file: writeHeapSnapshot(question.file) };
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
