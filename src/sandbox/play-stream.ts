import { DONE, type Frame } from './frames.ts';
import type { Scenario } from './scenario.ts';
import type { Wire } from './wire.ts';

/** How a stream ended: by its own terms, by the client, or with a connection that is to be cut. */
export type Ending = 'ended' | 'left' | 'cut';

/** What the scenario does to a stream before its next frame. */
type Fault = 'cut' | 'cut-mid' | 'end' | 'stall' | 'error' | 'garbage' | null;

export interface Playing {
  readonly frames: Iterable<Frame>;
  readonly errorFrame: Frame;
  readonly scenario: Scenario;
  readonly wire: Wire;
  /** Told the number of events sent after each. */
  readonly onEvent: (sent: number) => void;
}

const GARBAGE: Readonly<Record<Scenario['garbage'], Buffer>> = {
  json: Buffer.from('data: {"message": {"id": "a-1", "author": {"ro\n\n'),
  binary: Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0x20, 0xff, 0xfe, 0x00, 0x80, 0xc3, 0x0a, 0x0a]),
};

/** Sends frame after frame at the scenario's pace, with the scenario's faults, until one of both is over. */
export async function playStream(playing: Playing): Promise<Ending> {
  const { frames, scenario, wire, onEvent } = playing;
  await wire.pause(scenario.firstEventDelayMs);
  let sent = 0;
  for (const frame of frames) {
    const ending = await playFault(faultBefore(scenario, sent), frame, playing);
    if (ending !== null) return ending;
    if (frame.kind === 'done') return endWith(scenario.endWithoutDone ? null : frame, wire);
    if (frame.paced) await wire.pause(scenario.eventDelayMs);
    if (scenario.pings) await wire.ping();
    if (wire.gone) return 'left';
    await wire.send(frame.lines);
    sent += 1;
    onEvent(sent);
  }
  return endWith(null, wire);
}

function faultBefore(scenario: Scenario, sent: number): Fault {
  if (scenario.garbageAfter === sent) return 'garbage';
  if (scenario.errorEventAfter === sent) return 'error';
  if (scenario.stallAfterEvents === sent) return 'stall';
  if (scenario.endAfterEvents === sent) return 'end';
  if (scenario.cutMidEvent === sent) return 'cut-mid';
  return scenario.cutAfterEvents === sent ? 'cut' : null;
}

/** Null: the stream goes on. */
async function playFault(fault: Fault, frame: Frame, playing: Playing): Promise<Ending | null> {
  const { wire, scenario, errorFrame } = playing;
  switch (fault) {
    case null:
      return null;
    case 'garbage':
      await wire.sendBytes(GARBAGE[scenario.garbage]);
      return null;
    case 'error':
      await wire.send(errorFrame.lines);
      return endWith(DONE, wire);
    case 'stall':
      await wire.stall();
      return 'left';
    case 'end':
      return endWith(null, wire);
    case 'cut-mid':
      await wire.sendHalf(frame.lines);
      return wire.gone ? 'left' : 'cut';
    case 'cut':
      return wire.gone ? 'left' : 'cut';
  }
}

async function endWith(frame: Frame | null, wire: Wire): Promise<Ending> {
  if (frame !== null) await wire.send(frame.lines);
  if (wire.gone) return 'left';
  await wire.end();
  return 'ended';
}
