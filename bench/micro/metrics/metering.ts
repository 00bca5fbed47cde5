import { Counter, Histogram, Registry } from 'prom-client';
import type { ChatPorts, StreamReader } from '../../../src/chat/ports.ts';
import type { RequestRecord } from '../../../src/http/server.ts';
import { meterPorts } from '../../../src/metrics/metered-ports.ts';
import { RequestMeter } from '../../../src/metrics/request-meter.ts';
import { TurnMeter } from '../../../src/metrics/turn-meter.ts';
import { hold } from '../../_util/contest.ts';
import type { Row } from '../../_util/table.ts';

type Ask = Parameters<ChatPorts['converse']>;

const STREAMS = 50;
const PARTS = 100;
const CHUNK = Buffer.alloc(100);
const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1_800];
const REQUESTS: readonly RequestRecord[] = Array.from({ length: 1_000 }, (_, at) => ({
  requestId: `r${at}`,
  method: 'POST',
  route: '/v1/chat/completions',
  status: at % 50 === 0 ? 503 : 200,
  bytesOut: 2_000,
  durationMs: 500 + at,
  outcome: at % 50 === 0 ? 'error' : 'ok',
  notes: {},
}));

/** Streams side by side, as fast as they can: nothing is done with their parts but to meter them. */
export function partCase(): Promise<Row[]> {
  const meter = new TurnMeter(() => performance.now());
  return hold<void>({
    name: 'a part of a stream, when many come',
    unit: 'unit',
    units: 'units',
    unitsPerRun: STREAMS * PARTS,
    expected: undefined,
    floor: { name: 'a reader that does nothing', run: passAll(() => new Idler()) },
    baseline: { name: 'the clock read for each', run: passAll(() => new ClockReader()) },
    ours: [{ name: 'metered', run: passAll(() => meteredReader(meter)) }],
  });
}

/** The end of a request. */
export function requestCase(): Promise<Row[]> {
  const meter = new RequestMeter();
  return hold<void>({
    name: 'the end of a request',
    unit: 'unit',
    units: 'units',
    unitsPerRun: REQUESTS.length,
    expected: undefined,
    floor: { name: 'nothing', run: () => observeAll(() => {}) },
    baseline: { name: 'counters of prom-client', run: observeByLibrary() },
    ours: [{ name: 'our counts', run: () => observeAll((record) => meter.observe(record, 0)) }],
  });
}

class Idler implements StreamReader {
  bytes = 0;

  onOpen(): void {}
  onEnd(): void {}
  onFailure(): void {}

  onBytes(chunk: Uint8Array): void {
    this.bytes += chunk.length;
  }
}

class ClockReader extends Idler {
  #lastMs = 0;
  longestMs = 0;

  override onBytes(chunk: Uint8Array): void {
    const nowMs = performance.now();
    this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    super.onBytes(chunk);
  }
}

function meteredReader(meter: TurnMeter): StreamReader {
  const readers: StreamReader[] = [];
  const ports = {
    converse(...[, , , reader]: Ask) {
      readers.push(reader);
      return { askedIds: [], pause: () => {}, resume: () => {}, abort: () => {} };
    },
  } as unknown as ChatPorts;
  const nothing = {} as unknown;
  meterPorts(ports, meter).converse(nothing as Ask[0], nothing as Ask[1], nothing as Ask[2], new Idler());
  const [reader] = readers as [StreamReader];
  reader.onOpen();
  return reader;
}

function passAll(open: () => StreamReader): () => void {
  const streams = Array.from({ length: STREAMS }, open);
  return () => {
    for (let part = 0; part < PARTS; part += 1) {
      for (const stream of streams) stream.onBytes(CHUNK);
    }
  };
}

function observeAll(observe: (record: RequestRecord) => void): void {
  for (const record of REQUESTS) observe(record);
}

function observeByLibrary(): () => void {
  const registers = [new Registry()];
  const base = { help: 'of the bench', registers };
  const requests = new Counter({
    ...base,
    name: 'requests',
    labelNames: ['route', 'status', 'code', 'outcome'],
  });
  const sent = new Counter({ ...base, name: 'sent', labelNames: ['route'] });
  const duration = new Histogram({ ...base, name: 'duration', labelNames: ['route'], buckets: SECONDS });
  return () =>
    observeAll(({ route, status, outcome, durationMs, bytesOut }) => {
      requests.inc({ route, status: status ?? 0, code: '', outcome });
      duration.observe({ route }, durationMs / 1000);
      sent.inc({ route }, bytesOut);
    });
}
