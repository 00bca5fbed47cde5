import { availableParallelism } from 'node:os';
import { spawnSync } from 'node:child_process';
import { startChild } from './child.ts';
import type { Load, LoadResult, Plan } from './protocol.ts';

/** What a proxy is tried on: the stand-in upstream before it, the generator behind it. */
export interface Stand {
  readonly origin: string;
  readonly upstreamPid: number;
  readonly generatorPid: number;
  /** The core for the proxy; null: nothing is pinned. */
  readonly proxyCore: number | null;
  /** How the upstream answers from now on. */
  plan(plan: Plan): Promise<void>;
  drive(load: Load): Promise<LoadResult>;
  stop(): void;
}

/** Of the machine; asked for before the bench itself is pinned. */
let cores: readonly number[] | null = null;

/** With two cores the proxy has one for itself, with three all have. */
export async function startStand(): Promise<Stand> {
  const all = (cores ??= usableCores());
  const [proxyCore = null, upstreamCore = null, generatorCore = upstreamCore] = all;
  if (upstreamCore !== null) moveTo([upstreamCore]);
  const upstream = await startChild('./upstream.js', {}, { core: upstreamCore });
  const generator = await startChild('./generator.js', {}, { core: generatorCore });
  return {
    origin: `http://127.0.0.1:${upstream.port}`,
    upstreamPid: upstream.pid,
    generatorPid: generator.pid,
    proxyCore,
    async plan(plan) {
      await upstream.ask({ type: 'plan', plan });
    },
    async drive(load) {
      const answer = await generator.ask({ type: 'load', load });
      if (answer.type !== 'loaded') throw new Error(answer.type === 'refused' ? answer.why : answer.type);
      return answer.result;
    },
    stop() {
      generator.stop();
      upstream.stop();
      if (all.length > 0) moveTo(all);
    },
  };
}

/** Where the bench itself runs: it reads what a proxy logs, which on the proxy's core would hold that up. */
function moveTo(wanted: readonly number[]): void {
  spawnSync('taskset', ['-a', '-c', '-p', wanted.join(','), String(process.pid)]);
}

/** None, where processes cannot be pinned or there is but one. The last is the quietest as a rule. */
function usableCores(): readonly number[] {
  const { status, stdout } = spawnSync('taskset', ['-c', '-p', String(process.pid)], { encoding: 'utf8' });
  if (status !== 0 || availableParallelism() < 2) return [];
  const ranges = stdout
    .slice(stdout.lastIndexOf(':') + 1)
    .trim()
    .split(',');
  return ranges.flatMap(toCores).toReversed();
}

function toCores(range: string): number[] {
  const [from = 0, to = from] = range.split('-').map(Number);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}
