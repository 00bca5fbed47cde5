import type { Report } from '../_util/report.ts';
import type { Row } from '../_util/table.ts';
import { startStand } from './stand.ts';
import { chat2api, direct, toTarget } from './ways.ts';

export async function benchStream(): Promise<Report> {
  const stand = await startStand();
  const rows: Row[] = [];
  try {
    for (const way of [direct(stand.upstreamPid), chat2api('v1'), chat2api('legacy')]) {
      const running = await way.start(stand.origin, stand.proxyCore);
      for (const deltasPerSecond of [null, null, 20]) {
        const deltas = deltasPerSecond === null ? 400 : 60;
        await stand.plan({ encoding: way.encoding, deltas, deltasPerSecond });
        const r = await stand.drive({
          target: toTarget(way, running.port),
          deltas,
          deltasPerSecond,
          arrivals:
            deltasPerSecond === null
              ? { kind: 'closed', clients: 16, forMs: 1500 }
              : { kind: 'open', perSecond: 200, forMs: 1000 },
          window: deltasPerSecond === null ? { fromMs: 500, toMs: 1500 } : { fromMs: 1200, toMs: 2900 },
          patienceMs: 5000,
          watched: {
            proxy: running.pids(),
            generator: [stand.generatorPid],
            upstream: [stand.upstreamPid],
          },
        });
        const us = (name: string): number => (r.usage[name]?.cpuUs ?? 0) / r.events;
        rows.push({
          way: `${way.name} ${deltasPerSecond}`,
          started: r.started,
          correct: r.correct,
          failures: JSON.stringify(r.failures),
          'events/s': (r.events / r.windowMs) * 1000,
          'CPU µs/event': us('proxy'),
          generator: us('generator'),
          upstream: us('upstream'),
          'first text p50': r.firstTextMs.p50,
          p99: r.firstTextMs.p99,
          'gap p50': r.gapMs.p50,
          'gap p99': r.gapMs.p99,
          late: r.latestMs,
          rss: (r.usage['proxy']?.rssBytes ?? 0) / 1e6,
        });
      }
      await running.stop();
    }
  } finally {
    stand.stop();
  }
  return { title: 'chats through the built server', rows };
}
