import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../_util/report.ts';
import { hold } from './bed.ts';
import { paced } from './neighbours.ts';
import { rssBytes } from './process-usage.ts';
import { mostStreams } from './soak/limits.ts';
import { startStand } from './stand.ts';
import { chat2api } from './ways.ts';

const CROWD = 10_000;
const WINDOW_MS = 20_000;
const COOLING_MS = 5_000;
const MIB = 1024 * 1024;

/** Ten thousand streams at 1 event/s, or as many as a process may have files for; `CROWD`: so many. */
export async function benchCrowd(): Promise<Report> {
  const streams = Math.min(Number(process.env['CROWD'] ?? CROWD), mostStreams());
  const stand = await startStand();
  try {
    const way = chat2api('v1');
    const running = await way.start(stand.origin, stand.proxyCore);
    try {
      const bed = { way, running, stand };
      const rss = (): number => rssBytes(running.pids()) / MIB;
      await hold(bed, paced(50, 20, 500));
      const before = rss();
      const { lateMs, latestMs, firstTextMs, ownDelayMs, events, windowMs, usage } = await hold(
        bed,
        paced(streams, 1, WINDOW_MS),
      );
      await sleep(COOLING_MS);
      const proxy = usage['proxy'] ?? { cpuUs: 0, rssBytes: 0 };
      return {
        title: 'a crowd at 1 event/s each',
        rows: [
          {
            streams,
            'events/s': (events / windowMs) * 1_000,
            'late p50 ms': lateMs.p50,
            'p99 ms': lateMs.p99,
            'latest ms': lateMs.max,
            'latest ms, arrivals too': latestMs,
            'first text p99 ms': firstTextMs.p99,
            'generator late p99 ms': ownDelayMs.p99,
            'longest ms': ownDelayMs.max,
            'CPU cores': proxy.cpuUs / 1_000 / windowMs,
            'CPU µs/event': proxy.cpuUs / events,
            'RSS MiB before': before,
            at: proxy.rssBytes / MIB,
            after: rss(),
          },
        ],
      };
    } finally {
      await running.stop();
    }
  } finally {
    stand.stop();
  }
}
