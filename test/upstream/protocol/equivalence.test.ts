import fc from 'fast-check';
import t from 'tap';
import type { DecodedEvent, TurnEvent } from '../../../src/conversation/events.ts';
import { ChatError } from '../../../src/errors.ts';
import { ChoiceSink } from '../../../src/http/choice-sink.ts';
import { ChunkEncoder } from '../../../src/openai/chunk.ts';
import { toCompletion } from '../../../src/openai/completion.ts';
import { toUsage } from '../../../src/openai/usage.ts';
import { EventDecoder } from '../../../src/sse/event-decoder.ts';
import { LineDecoder } from '../../../src/sse/line-decoder.ts';
import { decodeSocketBody } from '../../../src/upstream/protocol/socket-body.ts';
import { parseSocketFrame } from '../../../src/upstream/protocol/socket-frame.ts';
import { StreamDecoder } from '../../../src/upstream/protocol/stream-decoder.ts';
import { AnswerRecorder } from '../../helpers/answer-recorder.ts';
import { done, envelope, read } from '../../helpers/messages.ts';
import {
  cuts,
  firstOf,
  length,
  metadataAt,
  pauses,
  plain,
  randomOf,
  script,
  stretch,
} from '../../helpers/random-script.ts';
import { encodeLegacy, encodeV1 } from '../../helpers/script-encoder.ts';
import type { Random } from '../../helpers/script-encoder.ts';

/** The answer that a client gets: its chunks, joined where one follows another of its kind, and its body. */
function answer(payloads: readonly string[]): ToldAnswer {
  return decode((decoder) => {
    for (const data of payloads) decoder.push({ name: '', data });
  });
}

/** The same by way of a web socket, whose frames end anywhere, also within a character. */
function answerOverSocket(payloads: readonly string[], random: Random): ToldAnswer {
  return decode((decoder) => {
    const events = new EventDecoder((event) => decoder.push(event), 1e6);
    const lines = new LineDecoder((line) => events.pushLine(line), 1e6);
    for (const text of toSocketFrames(payloads, random)) {
      const event = parseSocketFrame(text)?.event;
      lines.push(decodeSocketBody(event?.type === 'answer' ? event.frame.body : null) ?? NO_BYTES);
    }
  });
}

const NO_BYTES = new Uint8Array();

function toSocketFrames(payloads: readonly string[], random: Random): string[] {
  const frames: string[] = [];
  let rest = Buffer.from(payloads.map((data) => `data: ${data}\n\n`).join(''));
  while (rest.length > 0) {
    const length = 1 + Math.floor(random() * 300);
    const body = rest.subarray(0, length).toString('base64');
    rest = rest.subarray(length);
    const data = { type: 'http.response.body', body, more_body: rest.length > 0, conversation_id: 'c-1' };
    frames.push(JSON.stringify({ sequenceId: frames.length + 1, type: 'message', data }));
  }
  return frames;
}

interface ToldAnswer {
  readonly stream: string;
  readonly whole: string;
  readonly content: string;
}

function decode(feed: (decoder: StreamDecoder) => void): ToldAnswer {
  const recorder = new AnswerRecorder();
  const sink = new ChoiceSink(0, recorder, { stop: [], tokens: null });
  const decoder = new StreamDecoder((event) => void sink.write(withLink(event)), new Set());
  feed(decoder);
  decoder.end();
  const head = { id: 'chatcmpl-1', created: 1, model: 'm' };
  const chunks = new ChunkEncoder(head, false);
  const stream = recorder.said.map(([kind, text]) =>
    kind === 'end' ? chunks.finish(0, 'stop') : kind === 'text' ? text : chunks.reasoning(0, text),
  );
  const content = recorder.all('text');
  const choice = { text: content, reasoning: recorder.all('reasoning'), reason: 'stop' as const };
  const whole = toCompletion(head, [choice], toUsage(0, 0), null);
  return { stream: stream.join('\n'), whole: JSON.stringify(whole), content };
}

function withLink(event: DecodedEvent): TurnEvent {
  if (event.type !== 'image' && event.type !== 'file') return event;
  const { link } = event;
  const name = link.kind === 'pointer' ? link.pointer : `${link.messageId}${link.path}`;
  return { ...event, link: `https://files.example/${encodeURIComponent(name)}` };
}

const MARKERS = /[\uE200-\uE206]|\u3010\d+\u2020source\u3011/;

t.test('property: one script gives one answer, whichever encoding tells it, over a web socket too', (t) => {
  fc.assert(
    fc.property(script, fc.integer(), (states, seed) => {
      const random = randomOf(seed);
      const legacy = answer(encodeLegacy(states, random));
      const v1 = answer(encodeV1(states, random));
      if (JSON.stringify(legacy) !== JSON.stringify(v1)) {
        throw new Error(`legacy: ${legacy.stream}\nv1: ${v1.stream}`);
      }
      for (const encode of [encodeLegacy, encodeV1]) {
        const socket = answerOverSocket(encode(states, random), random);
        if (JSON.stringify(legacy) !== JSON.stringify(socket)) {
          throw new Error(`legacy: ${legacy.stream}\nsocket: ${socket.stream}`);
        }
      }
      if (MARKERS.test(legacy.whole)) throw new Error(`a marker is left: ${legacy.whole}`);
      if (!legacy.content.endsWith('The end.')) throw new Error('cut');
    }),
    { numRuns: 250 },
  );
  t.pass('held');
  t.end();
});

t.test('property: all of the text is there once, with links in the places of the markers', (t) => {
  const property = fc.property(
    fc.array(stretch, { minLength: 1, maxLength: 12 }),
    cuts,
    fc.nat(8),
    fc.integer(),
    (stretches, cuts, late, seed) => {
      const whole = stretches.map(({ raw }) => raw).join('');
      const states = pauses(whole, cuts).map((known) =>
        envelope({ text: firstOf(whole, known), metadata: metadataAt(stretches, known, late) }),
      );
      const last = { text: whole, metadata: metadataAt(stretches, length(whole), 0), end_turn: true };
      const { events } = read(
        encodeV1([...states, done(last), done({ id: 'e', text: '|', end_turn: true })], randomOf(seed)),
      );
      const said = events
        .map((event) => {
          if (event.type === 'text-delta') return event.text;
          if (event.type === 'citation') return `<${event.links[0]?.url}>`;
          return event.type === 'file' ? `sandbox:${event.path}` : '';
        })
        .join('');
      const expected = stretches
        .map(({ raw, source }) =>
          source === 'none'
            ? raw.replace(/[\uE200-\uE206]/g, '')
            : `<https://e.example/${raw.replace(/[^a-z0-9]/g, '')}>`,
        )
        .join('');
      if (said !== `${expected}|`) throw new Error(JSON.stringify([said, expected]));
    },
  );
  fc.assert(property, { numRuns: 250 });
  t.pass('held');
  t.end();
});

t.test('a marker and a file cut at every place', (t) => {
  const legacyMarker = '\u30100\u2020source\u3011';
  const signed = '\uE200cite\uE202turn0search0\uE201';
  const whole = `😀a ${legacyMarker} b ${signed}. [f](sandbox:/mnt/data/r.csv) 😀`;
  const link = { title: 'T', url: 'https://e.example/' };
  const metadata = {
    citations: [{ start_ix: 3, end_ix: 13, metadata: link }],
    content_references: [{ matched_text: signed, items: [link] }],
  };
  const expected =
    '😀a ([T](https://e.example/)) b ([T](https://e.example/)). [f](https://files.example/a-1%2Fmnt%2Fdata%2Fr.csv) 😀';
  for (let at = 0; at <= whole.length; at += 1) {
    const states = [
      envelope({ text: whole.slice(0, at) }),
      envelope({ text: whole }),
      envelope({ text: whole, metadata }),
      done({ text: whole, metadata, end_turn: true }),
    ];
    const payloads = [...states.map((state) => JSON.stringify(state)), '[DONE]'];
    const { content } = answer(payloads);
    if (content !== expected) t.equal(content, expected, `cut at ${at}`);
    const byV1 = answer(encodeV1(states, randomOf(at)));
    if (byV1.content !== expected) t.equal(byV1.content, expected, `cut at ${at}, v1`);
  }
  t.pass('held');
  t.end();
});

t.test('property: nothing that upstream sends throws anything but a typed error', (t) => {
  const odd = fc.oneof(
    fc.anything({ maxDepth: 2 }),
    fc.constantFrom('text', 'code', 'python', 'all', null, 1),
  );
  const message = fc.record(
    {
      id: fc.constantFrom('a', 'b', 3),
      author: fc.oneof(
        fc.constantFrom({ role: 'assistant' }, { role: 'tool', name: 'python' }, { role: 'tool', name: 4 }),
        odd,
      ),
      content: fc.oneof(
        fc.record(
          {
            content_type: fc.constantFrom(
              'text',
              'code',
              'execution_output',
              'multimodal_text',
              'thoughts',
              'reasoning_recap',
              'system_error',
            ),
            parts: fc.oneof(fc.array(fc.oneof(plain, odd)), odd),
            text: fc.oneof(plain, odd),
            language: odd,
            thoughts: fc.oneof(fc.array(fc.oneof(odd, fc.record({ summary: odd, content: plain }))), odd),
            content: odd,
          },
          { requiredKeys: ['content_type'] },
        ),
        odd,
      ),
      recipient: fc.constantFrom(
        'all',
        'python',
        'canmore.create_textdoc',
        'browser',
        'dalle.text2im',
        7,
        null,
      ),
      status: fc.constantFrom('in_progress', 'finished_successfully', 5, null),
      end_turn: fc.constantFrom(true, false, null, 'x'),
      metadata: fc.oneof(
        fc.record(
          {
            citations: fc.oneof(
              odd,
              fc.array(fc.record({ start_ix: fc.nat(20), end_ix: odd, metadata: odd })),
            ),
            content_references: fc.oneof(
              odd,
              fc.array(fc.record({ matched_text: plain, alt: odd, items: odd })),
            ),
            aggregate_result: odd,
            finish_details: odd,
            initial_text: odd,
          },
          { requiredKeys: [] },
        ),
        odd,
      ),
      channel: fc.constantFrom(null, 'final', 'analysis', 4),
    },
    { requiredKeys: ['author', 'content'] },
  );
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), (messages) => {
      const payloads = messages.map((given) => {
        try {
          return JSON.stringify({ message: given, conversation_id: 'c' });
        } catch {
          return '{}';
        }
      });
      const { events } = read(payloads);
      let isOpen = false;
      for (const event of events) {
        if (event.type === 'block-start' && isOpen) throw new Error('nested');
        if (event.type === 'block-start') isOpen = true;
        if (event.type === 'block-delta' && !isOpen) throw new Error('outside');
        if (event.type === 'block-end') isOpen = false;
        if ('text' in event && MARKERS.test(event.text.replace(/\u3010.*/, '')))
          throw new Error('a sign is left');
      }
    }),
    { numRuns: 250 },
  );
  t.pass('held');
  t.end();
});

t.test('much of everything stays within bounds', (t) => {
  const started = Date.now();
  const frames: unknown[] = [{ p: '', o: 'add', v: envelope(), c: 0 }];
  const append = (text: string): void =>
    void frames.push({ p: '/message/content/parts/0', o: 'append', v: text });
  for (let at = 0; at < 60_000; at += 1) append('ab');
  for (let at = 0; at < 2000; at += 1) append(`\uE200cite\uE202turn0search${at}`);
  for (let at = 0; at < 2000; at += 1) append('(sandbox:/');
  for (let at = 0; at < 2000; at += 1) append('\u30101\u2020');
  append('('.repeat(1_000_000));
  append('\uE200'.repeat(200_000));
  append('\u3010'.repeat(200_000));
  append('\u30101\u2020source\u3011'.repeat(100_000));
  const { events, error } = read(frames);
  t.type(error, ChatError, 'cut, as no end came');
  t.equal(events[0]?.type, 'turn-start');
  t.ok(Date.now() - started < 20_000, `${Date.now() - started} ms`);
  t.end();
});
