import { Answer } from '../../../src/chat/answer.ts';
import type { ChatPorts, StreamReader } from '../../../src/chat/ports.ts';
import { pump } from '../../../src/chat/pump.ts';
import { ChoiceSink } from '../../../src/http/choice-sink.ts';
import { Reply } from '../../../src/http/reply.ts';
import { StreamOutput } from '../../../src/http/stream-output.ts';
import type { HttpResponse } from '../../../src/http/uws.ts';
import { meterPorts } from '../../../src/metrics/metered-ports.ts';
import { TurnMeter } from '../../../src/metrics/turn-meter.ts';
import { toUsage } from '../../../src/openai/usage.ts';
import { answerDeltas } from '../../_util/answer.ts';
import { v1Frames } from '../../_util/backend-stream.ts';
import { hold } from '../../_util/contest.ts';
import type { Row } from '../../_util/table.ts';

type Converse = ChatPorts['converse'];
type Session = Parameters<Converse>[0];

interface BenchStream {
  readonly reader: StreamReader;
  readonly output: StreamOutput;
  readonly done: Promise<void>;
}

const DELTAS = 200;
const CHUNKS = v1Frames(answerDeltas(DELTAS)).map((frame) => Buffer.from(frame));
const DEADLINES = { firstTokenMs: 60_000, idleMs: 60_000, totalMs: 60_000 };

/** Streams side by side through pump and output: in each turn of the event loop each gets a chunk, of one event. */
export function meteringCase(streams: number): Promise<Row[]> {
  const metered = meterOnly(new TurnMeter(() => performance.now()));
  return hold<void>({
    name: `an event of a stream, ${streams} of them in a turn of the loop`,
    unit: 'unit',
    units: 'units',
    unitsPerRun: CHUNKS.length * streams,
    expected: undefined,
    floor: { name: 'turns of the loop without streams', run: turns },
    baseline: { name: 'pump and output', run: () => passAll(streams, (converse) => converse) },
    ours: [{ name: 'the same, metered', run: () => passAll(streams, metered) }],
  });
}

function meterOnly(meter: TurnMeter): (converse: Converse) => Converse {
  return (converse) => {
    const ports = meterPorts({ converse } as unknown as ChatPorts, meter);
    return (...ask) => ports.converse(...ask);
  };
}

async function turns(): Promise<void> {
  for (const _ of CHUNKS) await nextTurn();
}

async function passAll(count: number, meter: (converse: Converse) => Converse): Promise<void> {
  const streams = Array.from({ length: count }, () => openStream(meter));
  for (const chunk of CHUNKS) {
    for (const { reader } of streams) reader.onBytes(chunk);
    await nextTurn();
  }
  for (const { reader } of streams) reader.onEnd();
  await Promise.all(streams.map(({ done }) => done));
  for (const { output } of streams) output.finish(toUsage(0, 0));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function openStream(meter: (converse: Converse) => Converse): BenchStream {
  const readers: StreamReader[] = [];
  const converse = meter((_session, _ask, _clearance, reader) => {
    readers.push(reader);
    return { askedIds: [], pause: () => {}, resume: () => {}, abort: () => {} };
  });
  const output = createOutput();
  const answer = new Answer(new ChoiceSink(0, output, { stop: [], tokens: null }), () => {});
  const done = pump(
    (reader) => converse({} as Session, {} as Parameters<Converse>[1], {} as Parameters<Converse>[2], reader),
    answer,
    new AbortController().signal,
    { link: () => Promise.resolve(null), deadlines: DEADLINES, trace: createTrace() },
  );
  const [reader] = readers as [StreamReader];
  reader.onOpen();
  return { reader, output, done };
}

function createOutput(): StreamOutput {
  const reply = new Reply(new SilentClient() as unknown as HttpResponse, {
    requestId: 'bench',
    method: 'POST',
    closesConnection: () => false,
    onEnd: () => {},
    onListenerError: (error) => {
      throw error;
    },
  });
  const model = { reported: 'gpt-4o', asked: 'gpt-4o' };
  return new StreamOutput(reply, { model, includeUsage: false, kept: false, slowClientTimeoutMs: 60_000 });
}

function createTrace(): Parameters<typeof pump>[3]['trace'] {
  return { startedAt: 0, attempts: 1, leasedMs: 0, clearedMs: 0, openedMs: 0, firstTextMs: 0 };
}

/** Takes everything at once, as the native response of a fast client. */
class SilentClient {
  write(): boolean {
    return true;
  }

  cork(callback: () => void): this {
    callback();
    return this;
  }

  onAborted(): void {}
  onWritable(): void {}
  writeStatus(): void {}
  writeHeader(): void {}
  end(): void {}
  close(): void {}
}
