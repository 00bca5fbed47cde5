import { nodeUnderLoad } from '../../_util/node-under-load.ts';
import type { GaugeAnswer, GaugeQuestion } from './gauge-protocol.ts';
import type { GuestsAnswer, GuestsQuestion } from './guests-protocol.ts';
import { startWorker } from './worker.ts';
import type { Worker } from './worker.ts';

/** The built server between its stand-in backend and its clients, each a process. */
export interface Scene {
  readonly server: Worker<GaugeQuestion, GaugeAnswer>;
  readonly guests: Worker<GuestsQuestion, GuestsAnswer>;
  /** All that is under way in the server, by its /metrics. */
  readonly inFlight: () => Promise<number>;
}

const GAUGE = new URL('./gauge.js', import.meta.url).href;

export async function withScene<T>(env: NodeJS.ProcessEnv, act: (scene: Scene) => Promise<T>): Promise<T> {
  const started: { stop(): void }[] = [];
  const keep = <W extends { stop(): void }>(worker: W): W => {
    started.push(worker);
    return worker;
  };
  try {
    const backend = keep(await startWorker({ program: './backend.js' }));
    const server = keep(
      await startWorker<GaugeQuestion, GaugeAnswer>({
        program: '../../../src/main.js',
        node: nodeUnderLoad.path,
        execArgv: ['--expose-gc', '--import', GAUGE],
        env: { HOST: '127.0.0.1', PORT: '0', CHATGPT_BASE_URL: `http://127.0.0.1:${backend.port}`, ...env },
      }),
    );
    const guests = keep(await startWorker<GuestsQuestion, GuestsAnswer>({ program: './guests.js' }));
    return await act({ server, guests, inFlight: () => readInFlight(server.port) });
  } finally {
    for (const worker of started) worker.stop();
  }
}

async function readInFlight(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: 'close' } });
  const gauges = [
    ...(await answer.text()).matchAll(/^chat2api_(requests|leases|upstream_calls)_in_flight (\d+)$/gm),
  ];
  if (gauges.length !== 3) throw new Error('/metrics has not the gauges of what is under way');
  // The question itself is one of the requests.
  return gauges.reduce((sum, [, , count]) => sum + Number(count), -1);
}
