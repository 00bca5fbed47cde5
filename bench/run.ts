import { publish } from './_util/report.ts';
import type { Report } from './_util/report.ts';
import { benchCrowd } from './load/crowd.ts';
import { benchFaults } from './load/faults.ts';
import { benchHuge, benchStopped } from './load/neighbours.ts';
import { benchExits } from './load/exits.ts';
import { benchMetricsCost } from './load/metrics-cost.ts';
import { benchPresolve } from './load/presolve.ts';
import { benchStart } from './load/start.ts';
import { benchSoak } from './load/soak.ts';
import { benchStreamMemory } from './load/stream-memory.ts';
import { benchStream } from './load/stream.ts';
import { benchPool } from './micro/accounts/pool.ts';
import { benchMetrics } from './micro/metrics/metrics.ts';
import { benchAnswerCutter } from './micro/openai/answer-cutter.ts';
import { benchProof } from './micro/sentinel/proof.ts';
import { benchThreads } from './micro/threads/pool.ts';
import { benchDecode } from './micro/upstream/protocol/stream-decoder.ts';

const BENCHES: Readonly<Record<string, () => Promise<Report>>> = {
  pow: benchProof,
  threads: benchThreads,
  decode: benchDecode,
  tokens: benchAnswerCutter,
  pool: benchPool,
  start: benchStart,
  stream: benchStream,
  'stream-memory': benchStreamMemory,
  'stopped-readers': benchStopped,
  'huge-events': benchHuge,
  crowd: benchCrowd,
  soak: benchSoak,
  faults: benchFaults,
  exits: benchExits,
  presolve: benchPresolve,
  metrics: benchMetrics,
  'metrics-cost': benchMetricsCost,
};
/** These take minutes, and run only when they are asked for. */
const BY_NAME_ONLY: ReadonlySet<string> = new Set(['soak']);
const EXIT_USAGE = 64;

/** All benches but those by name only, or those named; one after the other, so that none disturbs another. */
async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.filter((name) => !Object.hasOwn(BENCHES, name));
  if (unknown.length > 0) {
    process.stderr.write(`no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}\n`);
    process.exitCode = EXIT_USAGE;
    return;
  }
  for (const [name, bench] of Object.entries(BENCHES)) {
    const isWanted = wanted.length === 0 ? !BY_NAME_ONLY.has(name) : wanted.includes(name);
    if (isWanted) publish(name, await bench());
  }
}

await main(process.argv.slice(2));
