import type { Chart } from '../_util/chart.ts';
import type { Report } from '../_util/report.ts';
import { growingAnswers } from './growing-answers.ts';
import { mostStreams } from './most-streams.ts';
import { holdRuns } from './rounds.ts';
import type { Cells, Programme } from './rounds.ts';
import { startStand } from './stand.ts';
import { barTable } from './stream-bars.ts';
import { chatTable, eventTable, growthTable, failureTable, growths, memoryTable } from './stream-tables.ts';
import { AFTERWARDS, IN_LEGACY, MEASURES, SHORT_CHATS_ALONE } from './trials.ts';
import { allWays } from './ways.ts';
import type { Way } from './ways.ts';

const RUNS = 5;

/**
 * Chats through the built server, other gateways and none. `BENCH_RUNS` says how often, `BENCH_WAYS` which
 * of the ways, by parts of their names.
 */
export async function benchStream(): Promise<Report> {
  const runs = Number(process.env['BENCH_RUNS'] ?? RUNS);
  const stand = await startStand();
  try {
    const programmes = allWays(stand.upstreamPid).filter(isWanted).map(toProgramme);
    const results = await holdRuns(stand, programmes, runs, (progress) =>
      process.stderr.write(`${progress}\n`),
    );
    const pinned = stand.proxyCore === null ? 'all on the same cores' : 'the proxy alone on its core';
    return {
      title: `chats through gateways, ${runs} runs in turns, ${pinned}`,
      rows: eventTable(results).rows,
      more: [chatTable, memoryTable, growthTable, barTable, failureTable].map((toTable) => toTable(results)),
      curves: [growthChart(results)],
      runs: [...results].map(([{ name }, cells]) => ({ way: name, cells })),
    };
  } finally {
    stand.stop();
  }
}

function isWanted({ name }: Way): boolean {
  const wanted = process.env['BENCH_WAYS'];
  return wanted === undefined || wanted.split(',').some((part) => name.includes(part));
}

/** How many streams there can be takes long to find out: only the fastest are asked. */
function toProgramme(way: Way): Programme {
  if (way.role === 'one call') return { way, measures: [SHORT_CHATS_ALONE], mostRuns: way.mostRuns };
  const isFast = way.role !== 'original' && way.role !== 'other';
  const most = isFast && way.encoding === 'v1' ? [mostStreams()] : [];
  const legacy = way.role === 'shape' ? [IN_LEGACY] : [];
  const measures = [...MEASURES, ...legacy, ...most, ...growingAnswers(way), AFTERWARDS];
  return { way, measures, mostRuns: way.mostRuns };
}

function growthChart(results: ReadonlyMap<Way, Cells>): Chart {
  return {
    title: 'Processor time per event at the end of an answer',
    x: 'answer, tokens',
    y: 'µs per event',
    series: growths(results)
      .filter(({ pace }) => pace === 'paced')
      .map(({ name, points }) => ({
        name,
        points: points.flatMap(({ deltas, spread }) =>
          spread.median === null
            ? []
            : [{ x: deltas, y: spread.median, from: spread.least, to: spread.most }],
        ),
      })),
  };
}
