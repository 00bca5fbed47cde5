import type { JsonObject } from '../json-shape.ts';
import { ENCODINGS, type Encoding, type Finish } from '../scenario.ts';
import type { Message, Step } from '../script.ts';
import { standsOf, type Stand } from './citing.ts';
import { isPlain, type Passage } from './passages.ts';
import { begin, toText, type Scene } from './scene.ts';

/** The answer of a turn. */
export interface Speech {
  readonly id: string;
  /** What an earlier turn said already. */
  readonly before: readonly Passage[];
  readonly passages: readonly Passage[];
  readonly finish: Finish;
  readonly onlyFinishedMessage: boolean;
  /** The answer stops as it stands: it is about to be taken back. */
  readonly brokenOff: boolean;
  readonly channel: string | null;
}

const STOP_TOKEN = 200_002;
/** One object, so that plain answers are seen to need no metadata of their own. */
const NOTHING: JsonObject = {};

/** The answer as it grows and as it ends. */
export function* speak(scene: Scene, speech: Speech): Generator<Step> {
  const { before, passages } = speech;
  if (isPlain(before) && isPlain(passages)) {
    yield* tell(scene, speech, plainStands(before.join(''), passages), undefined);
    return;
  }
  for (const encoding of ENCODINGS) {
    const said = [...standsOf(before, encoding)].length;
    const stands = [...standsOf([...before, ...passages], encoding)].slice(said - 1);
    yield* tell(scene, speech, stands, encoding);
  }
}

function* plainStands(before: string, pieces: readonly string[]): Generator<Stand> {
  // Slices of the whole text: adding piece to piece would copy the text for every comparison.
  const text = before + pieces.join('');
  let length = before.length;
  yield { text: before, metadata: NOTHING };
  for (const piece of pieces) {
    length += piece.length;
    yield { text: text.slice(0, length), metadata: NOTHING };
  }
}

/** `stands`: the first one is what the message begins with. */
function* tell(
  scene: Scene,
  speech: Speech,
  stands: Iterable<Stand>,
  encoding: Encoding | undefined,
): Generator<Step> {
  const only = encoding === undefined ? {} : { only: encoding };
  const base = begin(scene, { id: speech.id, channel: speech.channel });
  let opening: Message | null = null;
  let message = base;
  for (const stand of stands) {
    message = revise(base, stand);
    if (!speech.onlyFinishedMessage) {
      yield { kind: 'message', message, paced: opening !== null, ...only };
      if (opening === null) yield { kind: 'first-token', messageId: speech.id, ...only };
    }
    opening ??= message;
  }
  if (!speech.brokenOff)
    yield { kind: 'message', message: conclude(scene, message, speech.finish), paced: false, ...only };
}

/** One object for all that stays, so that revisions are compared by identity. */
function revise(base: Message, { text, metadata }: Stand): Message {
  if (metadata === NOTHING) return { ...base, content: toText(text) };
  return { ...base, content: toText(text), metadata: { ...base.metadata, ...metadata } };
}

function conclude(scene: Scene, message: Message, finish: Finish): Message {
  return {
    ...message,
    status: finish === 'interrupted' ? 'finished_partial_completion' : 'finished_successfully',
    end_turn: true,
    metadata: {
      ...message.metadata,
      finish_details: toFinishDetails(finish),
      is_complete: true,
      request_id: scene.requestId,
      timestamp_: 'absolute',
    },
  };
}

function toFinishDetails(finish: Finish): JsonObject {
  return finish === 'stop' ? { type: 'stop', stop_tokens: [STOP_TOKEN] } : { type: finish };
}
