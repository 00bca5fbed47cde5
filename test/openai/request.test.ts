import fc from 'fast-check';
import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import { type ChatRequest, parseChatRequest } from '../../src/openai/request.ts';

const HELLO = [{ role: 'user', content: 'Hello' }];
const MINIMAL = { model: 'gpt-4o', messages: HELLO };

const OTHER_FIELDS =
  'model stream stream_options max_tokens max_completion_tokens stop n logprobs top_logprobs audio modalities ' +
  'tool_choice function_call tools conversation_id parent_message_id history_disabled Chatgpt-Account-Id';

function parse(body: unknown, historyDisabled = true, uploadByUrl = false): ChatRequest {
  return parseChatRequest(body, { historyDisabled, uploadByUrl });
}

function refusal(body: unknown): { code: string; param: string | null; message: string } {
  try {
    parse(body);
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    return { code: error.code, param: error.param, message: error.message };
  }
  throw new Error(`accepted: ${JSON.stringify(body)}`);
}

t.test('the least a client can send, with its defaults', (t) => {
  t.strictSame(parse({ messages: HELLO }), {
    turn: {
      model: { slug: 'text-davinci-002-render-sha', gizmoId: null },
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
      keepHistory: false,
      conversationId: null,
      parentMessageId: null,
      hints: [],
    },
    requestedModel: 'gpt-3.5-turbo',
    responseModel: 'gpt-3.5-turbo-0125',
    stream: false,
    includeUsage: false,
    maxTokens: null,
    stop: [],
    n: 1,
    accountId: null,
  });
  t.end();
});

t.test('everything at once', (t) => {
  const request = parse({
    model: 'gpt-4-gizmo-g-abc123',
    messages: [
      { role: 'developer', content: 'Be brief.', name: 'boss' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'One, ' },
          { type: 'text', text: 'two' },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: {} }] },
      { role: 'tool', tool_call_id: 'c', content: '42' },
      { role: 'function', name: 'f', content: '43' },
      { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
      { role: 'user', content: '' },
    ],
    stream: true,
    stream_options: { include_usage: true, include_obfuscation: false },
    max_tokens: 5,
    max_completion_tokens: 7,
    stop: ['a', '\n'],
    n: 2,
    conversation_id: 'c-1',
    parent_message_id: 'm-1',
    history_disabled: false,
    'Chatgpt-Account-Id': '5f2c-team',
  });
  t.strictSame(request, {
    turn: {
      model: { slug: 'gpt-4o', gizmoId: 'g-abc123' },
      messages: [
        { role: 'system', parts: [{ type: 'text', text: 'Be brief.' }] },
        { role: 'user', parts: [{ type: 'text', text: 'One, two' }] },
        { role: 'tool', parts: [{ type: 'text', text: '42' }] },
        { role: 'tool', parts: [{ type: 'text', text: '43' }] },
        { role: 'assistant', parts: [{ type: 'text', text: 'No.' }] },
        { role: 'user', parts: [{ type: 'text', text: '' }] },
      ],
      keepHistory: true,
      conversationId: 'c-1',
      parentMessageId: 'm-1',
      hints: [],
    },
    requestedModel: 'gpt-4-gizmo-g-abc123',
    responseModel: 'gpt-4-gizmo-g-abc123',
    stream: true,
    includeUsage: true,
    maxTokens: 7,
    stop: ['a', '\n'],
    n: 2,
    accountId: '5f2c-team',
  });
  t.end();
});

t.test('what a web chat cannot honour and nobody misses is ignored', (t) => {
  const ignored = {
    temperature: 'hot',
    top_p: 2,
    frequency_penalty: 1,
    presence_penalty: 1,
    seed: 1,
    user: 'u',
    metadata: {},
    store: true,
    reasoning_effort: 'low',
    response_format: { type: 'json_object' },
    tools: [{ type: 'function', function: { name: 'f' } }],
    tool_choice: 'auto',
    functions: [{ name: 'f' }],
    function_call: 'none',
    parallel_tool_calls: true,
    modalities: ['text'],
    audio: null,
    logprobs: false,
    top_logprobs: null,
    whatever: { deep: [] },
  };
  t.same(parse({ ...MINIMAL, ...ignored }), parse(MINIMAL));
  t.end();
});

t.test('null stands for absent', (t) => {
  const nulls = {
    stream: null,
    stream_options: null,
    max_tokens: null,
    max_completion_tokens: null,
    stop: null,
    n: null,
    conversation_id: null,
    parent_message_id: null,
    history_disabled: null,
    'Chatgpt-Account-Id': null,
    tool_choice: null,
    modalities: null,
  };
  t.same(parse({ ...MINIMAL, ...nulls }), parse(MINIMAL));
  t.end();
});

t.test('history follows the default until the request says otherwise', (t) => {
  t.equal(parse(MINIMAL, false).turn.keepHistory, true);
  t.equal(parse({ ...MINIMAL, history_disabled: true }, false).turn.keepHistory, false);
  t.equal(parse({ ...MINIMAL, history_disabled: false }, true).turn.keepHistory, true);
  t.end();
});

t.test('usage is a matter of streams: options of other answers are not looked at', (t) => {
  t.equal(parse({ ...MINIMAL, stream_options: { include_usage: true } }).includeUsage, false);
  t.equal(parse({ ...MINIMAL, stream_options: 5 }).includeUsage, false);
  t.equal(parse({ ...MINIMAL, stream: true, stream_options: {} }).includeUsage, false);
  t.end();
});

t.test('each limit is read alone', (t) => {
  t.equal(parse({ ...MINIMAL, max_tokens: 5 }).maxTokens, 5);
  t.equal(parse({ ...MINIMAL, max_completion_tokens: 6 }).maxTokens, 6);
  t.same(parse({ ...MINIMAL, stop: 'END' }).stop, ['END']);
  t.same(parse({ ...MINIMAL, stop: [] }).stop, []);
  t.end();
});

t.test('a refusal names the field and what would be accepted', (t) => {
  const message = (content: unknown, role = 'user'): object => ({ messages: [HELLO[0], { role, content }] });
  const cases: [object | null, string, string | null, RegExp][] = [
    [null, 'invalid_value', null, /JSON object/],
    [[], 'invalid_value', null, /JSON object/],
    [{}, 'missing_required_parameter', 'messages', /array/],
    [{ messages: null }, 'invalid_value', 'messages', /array of messages, got null/],
    [{ messages: 'hi' }, 'invalid_value', 'messages', /got a string/],
    [{ messages: [] }, 'invalid_value', 'messages', /at least one/],
    [{ messages: [{ role: 'assistant' }] }, 'invalid_value', 'messages', /at least one/],
    [{ messages: ['hi'] }, 'invalid_value', 'messages[0]', /object/],
    [{ messages: [{ content: 'x' }] }, 'missing_required_parameter', 'messages[0].role', /developer/],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 'invalid_value', 'messages[0].role', /"robot"/],
    [{ messages: [{ role: 7, content: 'x' }] }, 'invalid_value', 'messages[0].role', /a number/],
    [{ messages: [{ role: 'user' }] }, 'missing_required_parameter', 'messages[0].content', /string/],
    [message(null), 'invalid_value', 'messages[1].content', /got null/],
    [message(5), 'invalid_value', 'messages[1].content', /a number/],
    [message([]), 'invalid_value', 'messages[1].content', /non-empty/],
    [message(['x']), 'invalid_value', 'messages[1].content[0]', /object/],
    [message([{ text: 'x' }]), 'missing_required_parameter', 'messages[1].content[0].type', /text/],
    [message([{ type: 'song' }]), 'invalid_value', 'messages[1].content[0].type', /text/],
    [message([{ type: 'text' }]), 'missing_required_parameter', 'messages[1].content[0].text', /string/],
    [message([{ type: 'text', text: 1 }]), 'invalid_value', 'messages[1].content[0].text', /a number/],
    [message([{ type: 'refusal', refusal: 'x' }]), 'invalid_value', 'messages[1].content[0].type', /text/],
    [message([{ type: 'input_audio' }]), 'unsupported_parameter', 'messages[1].content[0]', /audio/],
    [{ ...MINIMAL, model: 4 }, 'invalid_value', 'model', /string/],
    [{ ...MINIMAL, model: '' }, 'invalid_value', 'model', /1 to 256/],
    [{ ...MINIMAL, model: 'm'.repeat(257) }, 'invalid_value', 'model', /257/],
    [{ ...MINIMAL, stream: 'yes' }, 'invalid_value', 'stream', /boolean, got a string/],
    [{ ...MINIMAL, stream: true, stream_options: [] }, 'invalid_value', 'stream_options', /object/],
    [
      { ...MINIMAL, stream: true, stream_options: { include_usage: 1 } },
      'invalid_value',
      'stream_options.include_usage',
      /boolean/,
    ],
    [{ ...MINIMAL, max_tokens: 0 }, 'invalid_value', 'max_tokens', /at least 1, got 0/],
    [{ ...MINIMAL, max_tokens: 1.5, max_completion_tokens: 2 }, 'invalid_value', 'max_tokens', /integer/],
    [{ ...MINIMAL, max_completion_tokens: '9' }, 'invalid_value', 'max_completion_tokens', /a string/],
    [{ ...MINIMAL, n: 9 }, 'invalid_value', 'n', /from 1 to 8, got 9/],
    [{ ...MINIMAL, n: 0 }, 'invalid_value', 'n', /from 1 to 8/],
    [{ ...MINIMAL, stop: '' }, 'invalid_value', 'stop', /non-empty/],
    [{ ...MINIMAL, stop: ['a', 'b', 'c', 'd', 'e'] }, 'invalid_value', 'stop', /up to 4/],
    [{ ...MINIMAL, stop: [1] }, 'invalid_value', 'stop', /string/],
    [{ ...MINIMAL, stop: '\ud83d' }, 'invalid_value', 'stop', /string/],
    [{ ...MINIMAL, logprobs: true }, 'unsupported_parameter', 'logprobs', /web chat/],
    [{ ...MINIMAL, top_logprobs: 3 }, 'unsupported_parameter', 'top_logprobs', /web chat/],
    [{ ...MINIMAL, audio: { voice: 'x' } }, 'unsupported_parameter', 'audio', /text/],
    [{ ...MINIMAL, modalities: ['text', 'audio'] }, 'unsupported_parameter', 'modalities', /text/],
    [{ ...MINIMAL, modalities: 'text' }, 'invalid_value', 'modalities', /array/],
    [{ ...MINIMAL, tool_choice: 'required' }, 'unsupported_parameter', 'tool_choice', /auto/],
    [{ ...MINIMAL, tool_choice: { type: 'function' } }, 'unsupported_parameter', 'tool_choice', /auto/],
    [{ ...MINIMAL, function_call: { name: 'f' } }, 'unsupported_parameter', 'function_call', /auto/],
    [{ ...MINIMAL, tool_choice: 3 }, 'invalid_value', 'tool_choice', /auto/],
    [{ ...MINIMAL, conversation_id: 5 }, 'invalid_value', 'conversation_id', /string/],
    [{ ...MINIMAL, parent_message_id: {} }, 'invalid_value', 'parent_message_id', /an object/],
    [{ ...MINIMAL, history_disabled: 'no' }, 'invalid_value', 'history_disabled', /boolean/],
    [{ ...MINIMAL, 'Chatgpt-Account-Id': 'a\r\nb: c' }, 'invalid_value', 'Chatgpt-Account-Id', /id/],
  ];
  for (const [body, code, param, message] of cases) {
    t.match(refusal(body), { code, param, message }, JSON.stringify(body).slice(0, 100));
  }
  t.end();
});

t.test('no body does worse than a ChatError', (t) => {
  const nasty = fc.oneof(
    fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true, withDate: true }),
    fc.constantFrom<unknown>(
      'user',
      'text',
      'auto',
      'required',
      '',
      -0,
      Infinity,
      Number.NaN,
      [],
      {},
      null,
      true,
    ),
  );
  const part = fc.record({ type: fc.oneof(fc.constant('text'), nasty), text: nasty }, { requiredKeys: [] });
  const message = fc.record(
    {
      role: fc.oneof(fc.constantFrom('user', 'assistant', '__proto__'), nasty),
      content: fc.oneof(fc.array(part), nasty),
    },
    { requiredKeys: [] },
  );
  const body = fc.record(
    {
      messages: fc.oneof(fc.array(message), fc.constant(HELLO), nasty),
      ...Object.fromEntries(OTHER_FIELDS.split(' ').map((name) => [name, nasty])),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(body, nasty), (body) => {
      try {
        parse(body);
      } catch (error) {
        if (!(error instanceof ChatError) || error.status !== 400) throw error;
      }
    }),
    { numRuns: 1500 },
  );
  t.end();
});

t.test('hostile JSON: prototypes, depth, length', (t) => {
  const polluted = '{"__proto__":{"messages":[{"role":"user","content":"x"}]}}';
  t.match(refusal(JSON.parse(polluted)), { code: 'missing_required_parameter', param: 'messages' });
  const deep: unknown = JSON.parse('['.repeat(5000) + ']'.repeat(5000));
  t.match(refusal({ messages: deep }), { code: 'invalid_value', param: 'messages[0]' });
  t.equal(parse({ ...MINIMAL, metadata: deep }).n, 1);
  const many = Array.from({ length: 100_000 }, () => HELLO[0]);
  t.equal(parse({ messages: many }).turn.messages.length, 100_000);
  t.match(refusal({ messages: [...many, 1] }), { param: 'messages[100000]' });
  t.end();
});
