import type { Peer } from '../peer.ts';

/** A chat as any OpenAI client asks for it. */
export const OPENAI_ASK: Peer['ask'] = {
  path: '/v1/chat/completions',
  body: {
    model: 'gpt-4o-mini',
    stream: true,
    messages: [{ role: 'user', content: 'Say something long about proxies.' }],
  },
  headers: {},
};
