import { findChanges, type Change } from './document-changes.ts';
import { dataFrame, DONE, toErrorEnvelope, type Frame } from './frames.ts';
import type { JsonObject } from './json-shape.ts';
import type { Scenario } from './scenario.ts';
import { stepsFor, toDocument, type Document, type Script, type Step } from './script.ts';

/** A delta as the wire has it: `p`, `o` and `c` left out mean "as in the delta before". */
interface Delta {
  readonly p?: string;
  readonly o?: string;
  readonly v?: unknown;
  readonly c?: number;
}

const ENCODING_NAME: Frame = {
  kind: 'event',
  lines: ['event: delta_encoding', 'data: "v1"'],
  paced: false,
};

/** The encoding `v1`: each message once, then what changed in it. */
export function* encodeDelta(script: Script): Generator<Frame> {
  const deltas = createDeltaWriter();
  yield ENCODING_NAME;
  for (const step of stepsFor(script, 'v1')) {
    if (step.kind === 'message') {
      const delta = deltas.show(toDocument(script, step.message));
      if (delta !== null) yield deltaFrame(delta, step.paced);
    } else {
      for (const control of toControls(script, step)) yield dataFrame(control);
    }
  }
  yield DONE;
}

export function encodeDeltaError(script: Script, scenario: Scenario): Frame {
  const envelope = toErrorEnvelope(script, scenario);
  if (scenario.errorEventForm === 'bare') return dataFrame(envelope);
  return deltaFrame({ p: '', o: 'add', v: envelope }, false);
}

/** Remembers the documents and the last path and operation of one stream. */
function createDeltaWriter() {
  const shown = new Map<string, { document: Document; counter: number }>();
  let latest = -1;
  let path = '';
  let operation = 'add';
  // Some clients forget path and operation where a document is named and some do not, so the
  // delta after that says both.
  let explicit = true;

  const write = (p: string, o: string, v: unknown, c?: number): Delta => {
    const delta: Delta = {
      ...(explicit || p !== path ? { p } : {}),
      ...(explicit || o !== operation ? { o } : {}),
      ...(v === undefined ? {} : { v }),
      ...(c === undefined ? {} : { c }),
    };
    [path, operation, explicit] = [p, o, c !== undefined];
    return delta;
  };

  const install = (document: Document): Delta => {
    const counter = shown.size;
    shown.set(document.message.id, { document, counter });
    latest = counter;
    // Captures leave out what snapshots have in common, and forgetting it changes nothing.
    explicit = counter === 0;
    return write('', 'add', document, counter);
  };

  return {
    /** The delta that shows a document as it stands; null when nothing changed. */
    show(document: Document): Delta | null {
      const known = shown.get(document.message.id);
      if (known === undefined) return install(document);
      const changes = findChanges(known.document, document);
      known.document = document;
      const [first] = changes;
      if (first === undefined) return null;
      const c = known.counter === latest ? undefined : known.counter;
      latest = known.counter;
      explicit ||= c !== undefined;
      if (changes.length === 1) return write(first.path, first.operation, first.value, c);
      return write('', 'patch', changes.map(toPatchItem), c);
    },
  };
}

function toPatchItem({ path, operation, value }: Change): Delta {
  return { p: path, o: operation, ...(value === undefined ? {} : { v: value }) };
}

function deltaFrame(delta: Delta, paced: boolean): Frame {
  return { kind: 'event', lines: ['event: delta', `data: ${JSON.stringify(delta)}`], paced };
}

/** What is said beside the documents, in the order of captured streams. */
function toControls(script: Script, step: Exclude<Step, { kind: 'message' }>): readonly unknown[] {
  const conversation_id = script.conversationId;
  switch (step.kind) {
    case 'raw':
      return [step.value];
    case 'late':
      return [];
    case 'first-token':
      return [
        {
          type: 'message_marker',
          conversation_id,
          message_id: step.messageId,
          marker: 'user_visible_token',
          event: 'first',
        },
      ];
    case 'moderation':
      return step.blocked ? [toModeration(step.messageId, conversation_id)] : [];
    case 'complete':
      return [
        {
          type: 'server_ste_metadata',
          metadata: { model_slug: step.model, message_id: step.messageId, tool_invoked: false },
          conversation_id,
        },
        { type: 'message_stream_complete', conversation_id },
      ];
    case 'title':
      return [{ type: 'title_generation', title: step.title, conversation_id }];
    case 'limits':
      return [
        {
          type: 'conversation_detail_metadata',
          banner_info: null,
          blocked_features: [],
          model_limits: [],
          limits_progress: [],
          default_model_slug: step.model,
          conversation_id,
        },
      ];
  }
}

function toModeration(messageId: string, conversationId: string): JsonObject {
  return {
    type: 'moderation',
    conversation_id: conversationId,
    message_id: messageId,
    is_completion: true,
    moderation_response: { flagged: true, blocked: true, moderation_id: `modr-${messageId}` },
  };
}
