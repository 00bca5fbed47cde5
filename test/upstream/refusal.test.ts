import fc from 'fast-check';
import t from 'tap';
import { encodeTurn } from '../../src/upstream/protocol/encode-turn.ts';
import { toRefusal, toStreamRefusal, toWrongAnswer } from '../../src/upstream/protocol/refusal.ts';
import type { RefusedCall } from '../../src/upstream/protocol/refusal.ts';
import { toSafeText } from '../../src/upstream/protocol/safe-text.ts';
import type { ChatError } from '../../src/errors.ts';

const refusal = (status: number, body: unknown, overrides: Partial<RefusedCall> = {}): ChatError =>
  toRefusal({
    status,
    contentType: typeof body === 'string' ? 'text/plain' : 'application/json',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    retryAfter: '',
    anonymous: false,
    at: 'conversation',
    model: 'gpt-4',
    ...overrides,
  });

const page = (mark: string): string =>
  `<!DOCTYPE html><html><body><div class="${mark}">Just a moment</div></html>`;
const html = { contentType: 'text/html' };

t.test('each refusal of the backend has its row of the error table', (t) => {
  const detail = (message: string, code = '', more: object = {}): object => ({
    detail: { message, code, ...more },
  });
  const rows: [ChatError, Partial<ChatError> | object][] = [
    [
      refusal(401, detail('Your authentication token has expired.', 'token_expired')),
      { code: 'account_unauthorized', message: /expired/, account: 'expired' },
    ],
    [
      refusal(401, detail('..', 'account_deactivated')),
      { code: 'account_unauthorized', message: /deactivated/, account: 'deactivated' },
    ],
    [
      refusal(401, { detail: 'Unauthorized' }),
      { code: 'account_unauthorized', message: /not valid/, account: 'invalid' },
    ],
    [refusal(401, { detail: 'Unauthorized' }, { anonymous: true }), { code: 'anonymous_unavailable' }],
    [refusal(403, page('cf-please-wait'), html), { code: 'upstream_challenge' }],
    [refusal(403, page('cf-spinner-please-wait'), html), { code: 'upstream_challenge' }],
    [refusal(503, '<html><script>window._cf_chl_opt={}</script>', html), { code: 'upstream_challenge' }],
    [refusal(403, '<html>no</html>', html), { code: 'upstream_challenge' }],
    [
      refusal(403, { detail: 'Unusual activity has been detected from your device. Try again later. (8a)' }),
      { code: 'upstream_refused', message: /Unusual activity/ },
    ],
    [refusal(404, detail('no', 'conversation_not_found')), { code: 'conversation_not_found' }],
    [refusal(404, detail('no', 'conversation_inaccessible')), { code: 'conversation_not_found' }],
    [
      refusal(404, detail('no', 'model_not_found')),
      { code: 'model_not_found', message: /`gpt-4`/, param: 'model' },
    ],
    [
      refusal(404, { detail: 'Gizmo not found' }, { model: 'g-1' }),
      { code: 'model_not_found', message: /`g-1`/ },
    ],
    [refusal(404, detail('', 'gizmo_not_found'), { model: 'g-1' }), { code: 'model_not_found' }],
    [refusal(404, { detail: 'Not found' }, { model: 'g-1' }), { code: 'model_not_found' }],
    [
      refusal(404, { detail: 'Conversation not found' }, { model: 'g-1' }),
      { code: 'conversation_not_found' },
    ],
    [refusal(404, 'nothing here'), { code: 'upstream_protocol_error', retryable: false }],
    [
      refusal(413, detail('too long', 'message_length_exceeds_limit')),
      { code: 'context_length_exceeded', status: 400 },
    ],
    [refusal(400, detail('x', 'message_length_exceeds_limit')), { code: 'context_length_exceeded' }],
    [
      refusal(422, { detail: [{ type: 'missing', loc: ['body', 'messages'], msg: 'Field required' }] }),
      { code: 'upstream_protocol_error', message: /body\.messages: Field required/ },
    ],
    [
      refusal(429, detail('You have sent too many messages.', 'model_cap_exceeded', { clears_in: 9665 })),
      { code: 'rate_limit_exceeded', retryAfterS: 9665, message: /9665 s/ },
    ],
    [
      refusal(429, { detail: 'Too many requests in 1 hour.' }, { retryAfter: '12' }),
      { code: 'rate_limit_exceeded', retryAfterS: 12 },
    ],
    [
      refusal(429, { detail: 'Only one message at a time.' }),
      { code: 'rate_limit_exceeded', retryAfterS: null },
    ],
    [refusal(429, '<html>', html), { code: 'rate_limit_exceeded' }],
    [refusal(500, { detail: 'Something went wrong' }), { code: 'upstream_error', status: 502 }],
    [refusal(503, '<html>Bad</html>', html), { code: 'upstream_error' }],
    [refusal(302, ''), { code: 'upstream_protocol_error', message: /redirect/ }],
  ];
  for (const [error, expected] of rows) t.match(error, expected, error.message);
  t.end();
});

t.test('which door of the account a limit closes', (t) => {
  const cap = { detail: { clears_in: 9665, code: 'model_cap_exceeded', message: 'Too many messages.' } };
  const hourly = { detail: 'Too many requests in 1 hour. Try again later.' };
  const single = { detail: 'Only one message at a time. Please allow any other responses to complete.' };
  const rows: [ChatError, string | null][] = [
    [refusal(429, cap), 'model'],
    [refusal(429, { detail: 'You have sent too many messages to the model.' }), 'model'],
    [refusal(429, { detail: 'slow down' }, { retryAfter: '30' }), 'model'],
    [refusal(429, { detail: 'slow down' }), 'account'],
    [refusal(429, hourly), 'account'],
    [refusal(429, hourly, { retryAfter: '30' }), 'account'],
    [refusal(429, hourly, { at: 'requirements' }), 'account'],
    [refusal(429, single), 'concurrency'],
    [refusal(429, single, { retryAfter: '60' }), 'concurrency'],
    [toStreamRefusal(JSON.stringify(single)), 'concurrency'],
    [toStreamRefusal(JSON.stringify(cap)), 'model'],
    [refusal(429, hourly, { at: 'files' }), null],
    [refusal(429, '<html>', html), null],
    [refusal(500, {}), null],
  ];
  for (const [error, limit] of rows) t.equal(error.limit, limit, error.message);
  t.end();
});

t.test('failures told inside a stream, or in place of one', (t) => {
  t.match(toStreamRefusal('Our systems have detected unusual activity coming from your system.'), {
    code: 'upstream_refused',
  });
  t.match(toStreamRefusal('You have reached our limit of messages. Try later.'), {
    code: 'rate_limit_exceeded',
  });
  t.match(toStreamRefusal('{"detail":{"clears_in":30,"message":"x"}}'), {
    code: 'rate_limit_exceeded',
    retryAfterS: 30,
  });
  t.match(toStreamRefusal('x', 'message_length_exceeds_limit'), { code: 'context_length_exceeded' });
  t.match(toStreamRefusal('This may violate our content policy.'), {
    code: 'upstream_refused',
    retryable: false,
  });
  t.match(toStreamRefusal('Something went wrong.'), {
    code: 'upstream_error',
    message: /Something went wrong/,
  });
  t.match(toWrongAnswer(200, 'application/json', '{"wss_url":"wss://x?token=canary"}'), {
    code: 'upstream_protocol_error',
    message: /web socket/,
  });
  t.match(toWrongAnswer(200, 'text/html', page('cf-please-wait')), { code: 'upstream_challenge' });
  t.match(toWrongAnswer(200, '', ''), { code: 'upstream_protocol_error', message: /no content type/ });
  t.end();
});

t.test('nothing that looks like a secret is repeated, whatever surrounds it', (t) => {
  const secrets = [
    'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl',
    'sk-canary1234567890',
    'gAAAAABcanary123',
    'Canary0aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789ab',
  ];
  for (const secret of secrets) t.notMatch(toSafeText(`before ${secret}, after`), secret);
  t.notMatch(toSafeText('could not parse Bearer canary-1234567'), /canary/);
  t.notMatch(toSafeText('{"access_token":"canary12"}'), /canary/);
  t.notMatch(toSafeText('via http://user:canary@proxy/'), /canary/);
  t.equal(
    toSafeText('Could not parse your authentication token. Please try signing in again.'),
    'Could not parse your authentication token. Please try signing in again.',
  );
  t.equal(toSafeText('a\u0000\u001b[31m\u202eb\ue200'), 'a [31m b');
  fc.assert(
    fc.property(fc.string({ maxLength: 9_000, unit: 'grapheme' }), (text) => toSafeText(text).length <= 200),
  );
  t.end();
});

t.test('no body makes it throw', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.json()),
      fc.integer({ min: 300, max: 599 }),
      (body, status) => refusal(status, body, { contentType: 'application/json' }).message.length < 600,
    ),
  );
  t.end();
});

t.test('a turn becomes the body of the conversation call', (t) => {
  let ids = 0;
  const newId = (): string => `id-${(ids += 1)}`;
  const nothingElse = { uploads: new Map(), continued: null };
  const turn = {
    model: { slug: 'gpt-4o', gizmoId: null },
    messages: [
      { role: 'system', parts: [{ type: 'text', text: 'Be brief' }] },
      { role: 'user', parts: [{ type: 'text', text: 'Say hi' }] },
    ],
    keepHistory: false,
    conversationId: null,
    parentMessageId: null,
    hints: [],
  } as const;
  const body = JSON.parse(encodeTurn({ turn, ...nothingElse }, newId).json) as Record<string, unknown>;
  t.match(body, {
    action: 'next',
    model: 'gpt-4o',
    conversation_mode: { kind: 'primary_assistant' },
    history_and_training_disabled: true,
    force_use_sse: true,
    supported_encodings: ['v1'],
    parent_message_id: /^id-/,
    messages: [
      {
        id: 'id-1',
        author: { role: 'system' },
        content: { content_type: 'text', parts: ['Be brief'] },
        metadata: {},
      },
      { id: 'id-2', author: { role: 'user' }, content: { content_type: 'text', parts: ['Say hi'] } },
    ],
  });
  t.notOk('conversation_id' in body);
  const going = {
    ...turn,
    model: { slug: 'gpt-4o', gizmoId: 'g-1' },
    keepHistory: true,
    conversationId: 'c',
    parentMessageId: 'p',
  };
  t.match(JSON.parse(encodeTurn({ turn: going, ...nothingElse }, newId).json), {
    conversation_mode: { kind: 'gizmo_interaction', gizmo_id: 'g-1' },
    history_and_training_disabled: false,
    conversation_id: 'c',
    parent_message_id: 'p',
  });
  const cut = { conversationId: 'c', messageId: 'm' };
  const { json, messageIds } = encodeTurn({ turn: going, uploads: new Map(), continued: cut }, newId);
  t.match(JSON.parse(json), {
    action: 'continue',
    conversation_id: 'c',
    parent_message_id: 'm',
    conversation_mode: { kind: 'gizmo_interaction', gizmo_id: 'g-1' },
  });
  t.notOk('messages' in (JSON.parse(json) as object));
  t.same(messageIds, []);
  t.end();
});
