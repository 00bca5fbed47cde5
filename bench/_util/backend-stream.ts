const CONVERSATION_ID = '6b9d0c1e-7a52-4a0f-9a58-0f6d4c2b7e10';
const MESSAGE_ID = '2f1c7e64-3b0d-4f57-8d0a-91c5e8a4d3b6';

/** The frames of a conversation in the encoding `v1`: the message once, then what is added to it. */
export function v1Frames(deltas: readonly string[]): string[] {
  return [
    'event: delta_encoding\ndata: "v1"\n\n',
    delta({ p: '', o: 'add', v: toEnvelope('', false), c: 0 }),
    ...deltas.map((v, at) => delta(at === 0 ? { p: '/message/content/parts/0', o: 'append', v } : { v })),
    delta({
      p: '',
      o: 'patch',
      v: [
        { p: '/message/status', o: 'replace', v: 'finished_successfully' },
        { p: '/message/end_turn', o: 'replace', v: true },
      ],
    }),
    data({ type: 'message_stream_complete', conversation_id: CONVERSATION_ID }),
    'data: [DONE]\n\n',
  ];
}

/** The same conversation in the older encoding: every event is the whole message so far. */
export function legacyFrames(deltas: readonly string[]): string[] {
  const texts: string[] = [];
  for (const delta of deltas) texts.push((texts.at(-1) ?? '') + delta);
  return [
    ...texts.map((text) => data(toEnvelope(text, false))),
    data(toEnvelope(texts.at(-1) ?? '', true)),
    'data: [DONE]\n\n',
  ];
}

function toEnvelope(text: string, isFinished: boolean): object {
  return {
    message: {
      id: MESSAGE_ID,
      author: { role: 'assistant', name: null, metadata: {} },
      create_time: 1750000000.25,
      update_time: null,
      content: { content_type: 'text', parts: [text] },
      status: isFinished ? 'finished_successfully' : 'in_progress',
      end_turn: isFinished ? true : null,
      weight: 1,
      metadata: { citations: [], content_references: [], message_type: 'next', model_slug: 'gpt-4o' },
      recipient: 'all',
      channel: null,
    },
    conversation_id: CONVERSATION_ID,
    error: null,
  };
}

function delta(frame: object): string {
  return `event: delta\n${data(frame)}`;
}

function data(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
