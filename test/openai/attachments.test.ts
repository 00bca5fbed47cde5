import fc from 'fast-check';
import t from 'tap';
import { ChatError } from '../../src/errors.ts';
import type { Attachment, MessagePart } from '../../src/conversation/turn.ts';
import { attachmentTokens, imageTokens } from '../../src/openai/attachment-tokens.ts';
import { peelUrls } from '../../src/openai/attachments.ts';
import { parseChatRequest } from '../../src/openai/request.ts';
import type { ChatRequestDefaults } from '../../src/openai/request.ts';

/** One red pixel. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';

const DEFAULTS: ChatRequestDefaults = { historyDisabled: true, uploadByUrl: false };

function partsOf(content: unknown, defaults = DEFAULTS, role = 'user'): readonly MessagePart[] {
  const { turn } = parseChatRequest({ messages: [{ role, content }] }, defaults);
  return turn.messages[0]?.parts ?? [];
}

function attachmentOf(part: unknown): Attachment {
  const [first] = partsOf([part]);
  if (first?.type !== 'attachment') throw new Error('no attachment');
  return first.attachment;
}

function refusal(content: unknown, role = 'user'): ChatError {
  try {
    partsOf(content, DEFAULTS, role);
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(content).slice(0, 200)}`);
}

const image = (url: string, detail?: unknown): object => ({ type: 'image_url', image_url: { url, detail } });
const file = (fields: object): object => ({ type: 'file', file: fields });
const text = (text: string): object => ({ type: 'text', text });

t.test('images and files keep their place among the texts, and neighbouring texts are joined', (t) => {
  const parts = partsOf([
    text('a'),
    text('b'),
    image('https://files.test/cat.png?sig=1'),
    image(`data:image/PNG;base64,${PNG}`, 'low'),
    text('c'),
    { type: 'image_url', image_url: 'http://files.test/x' },
    file({ file_data: `data:application/pdf;base64,${PNG}`, filename: 'a.pdf' }),
    file({ file_data: PNG, filename: 'b.txt' }),
    text('d'),
    text(''),
  ]);
  const at = (index: number, rest: string): string => `messages[0].content[${index}].${rest}`;
  t.strictSame(parts, [
    { type: 'text', text: 'ab' },
    {
      type: 'attachment',
      attachment: {
        source: { kind: 'url', url: 'https://files.test/cat.png?sig=1' },
        mimeType: null,
        name: null,
        lowDetail: false,
        param: at(2, 'image_url.url'),
      },
    },
    {
      type: 'attachment',
      attachment: {
        source: { kind: 'base64', base64: PNG },
        mimeType: 'image/png',
        name: null,
        lowDetail: true,
        param: at(3, 'image_url.url'),
      },
    },
    { type: 'text', text: 'c' },
    {
      type: 'attachment',
      attachment: {
        source: { kind: 'url', url: 'http://files.test/x' },
        mimeType: null,
        name: null,
        lowDetail: false,
        param: at(5, 'image_url'),
      },
    },
    {
      type: 'attachment',
      attachment: {
        source: { kind: 'base64', base64: PNG },
        mimeType: 'application/pdf',
        name: 'a.pdf',
        lowDetail: false,
        param: at(6, 'file.file_data'),
      },
    },
    {
      type: 'attachment',
      attachment: {
        source: { kind: 'base64', base64: PNG },
        mimeType: null,
        name: 'b.txt',
        lowDetail: false,
        param: at(7, 'file.file_data'),
      },
    },
    { type: 'text', text: 'd' },
  ]);
  t.end();
});

t.test('a refusal names the field of the attachment', (t) => {
  const at = 'messages[0].content[0]';
  const cases: [unknown, string, string, RegExp][] = [
    [{ type: 'image_url' }, 'missing_required_parameter', `${at}.image_url`, /url/],
    [{ type: 'image_url', image_url: 5 }, 'invalid_value', `${at}.image_url`, /object/],
    [{ type: 'image_url', image_url: {} }, 'missing_required_parameter', `${at}.image_url.url`, /string/],
    [image(5 as never), 'invalid_value', `${at}.image_url.url`, /number/],
    [image('https://files.test/', 5), 'invalid_value', `${at}.image_url.detail`, /number/],
    [image('ftp://files.test/a.png'), 'invalid_attachment', `${at}.image_url.url`, /http:\/\//],
    [image('file:///etc/passwd'), 'invalid_attachment', `${at}.image_url.url`, /neither/],
    [image('javascript:alert(1)'), 'invalid_attachment', `${at}.image_url.url`, /neither/],
    [image(''), 'invalid_attachment', `${at}.image_url.url`, /neither/],
    [image(PNG), 'invalid_attachment', `${at}.image_url.url`, /neither/],
    [image('http://'), 'invalid_attachment', `${at}.image_url.url`, /valid URL/],
    [image('http://999.1.1.1/'), 'invalid_attachment', `${at}.image_url.url`, /valid URL/],
    [image('data:image/png'), 'invalid_attachment', `${at}.image_url.url`, /comma/],
    [image('data:image/png;base64,'), 'invalid_attachment', `${at}.image_url.url`, /empty/],
    [image('data:image/png;base64,===='), 'invalid_attachment', `${at}.image_url.url`, /base64/],
    [image('data:image/png;base64,a!b='), 'invalid_attachment', `${at}.image_url.url`, /base64/],
    [image('data:image/png;base64,abcde'), 'invalid_attachment', `${at}.image_url.url`, /base64/],
    [image('data:im\r\nage/png;base64,AAAA'), 'invalid_attachment', `${at}.image_url.url`, /media type/],
    [image('data:text/plain,%zz'), 'invalid_attachment', `${at}.image_url.url`, /percent/],
    [{ type: 'file' }, 'missing_required_parameter', `${at}.file`, /file_data/],
    [{ type: 'file', file: 'x' }, 'invalid_value', `${at}.file`, /object/],
    [file({}), 'missing_required_parameter', `${at}.file.file_data`, /string/],
    [file({ file_id: 'file-1' }), 'unsupported_parameter', `${at}.file.file_id`, /file_data/],
    [file({ file_data: 'n*o' }), 'invalid_attachment', `${at}.file.file_data`, /base64/],
    [file({ file_data: PNG, filename: 1 }), 'invalid_value', `${at}.file.filename`, /string/],
    [{ type: 'input_audio', input_audio: {} }, 'unsupported_parameter', at, /audio/],
  ];
  for (const [part, code, param, message] of cases) {
    t.match(refusal([part]), { code, param, message, status: 400 }, JSON.stringify(part).slice(0, 80));
  }
  for (const role of ['system', 'assistant', 'tool']) {
    const param = `${at}.type`;
    t.match(refusal([image('https://a.test/')], role), {
      code: 'invalid_value',
      param,
      message: /only users/,
    });
  }
  t.end();
});

t.test('base64 as people send it', (t) => {
  const cases: [string, string][] = [
    ['data:;base64,QUJD', 'ABC'],
    ['DATA:text/plain;charset=utf-8;BASE64,QUJD', 'ABC'],
    ['data:text/plain;base64,QUI%3D', 'AB'],
    ['data:text/plain;base64,QUI', 'AB'],
    ['data:text/plain;base64,QU\r\n JD\n', 'ABC'],
    ['data:application/x;base64,__-_', '\u00ff\u00ff\u00bf'],
    ['data:image/svg+xml;utf8,<svg a="%23"/>', '<svg a="#"/>'],
    ['data:,a%20b', 'a b'],
  ];
  for (const [url, expected] of cases) {
    const { source } = attachmentOf(image(url));
    const base64 = source.kind === 'base64' ? source.base64 : '';
    t.equal(Buffer.from(base64, 'base64').toString('latin1'), expected, url);
  }
  t.equal(attachmentOf(image('data:;base64,QUJD')).mimeType, null);
  t.end();
});

t.test('a data URL of many megabytes is read', (t) => {
  const base64 = 'A'.repeat(24 * 1024 * 1024);
  const { source } = attachmentOf(image(`data:application/zip;base64,${base64}`));
  t.ok(source.kind === 'base64' && source.base64.length === base64.length);
  t.match(refusal([image(`data:application/zip;base64,${base64}*`)]), { code: 'invalid_attachment' });
  t.end();
});

t.test('whatever bytes go in come out', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.boolean(), (bytes, bare) => {
      const base64 = Buffer.from(bytes).toString('base64');
      const { source } = attachmentOf(file({ file_data: bare ? base64 : `data:a/b;base64,${base64}` }));
      return source.kind === 'base64' && Buffer.from(source.base64, 'base64').equals(Buffer.from(bytes));
    }),
  );
  t.end();
});

t.test('no attachment does worse than a ChatError', (t) => {
  const nasty = fc.oneof(
    fc.anything(),
    fc.string(),
    fc.webUrl(),
    fc.string().map((s) => `data:${s}`),
  );
  const part = fc.record(
    {
      type: fc.constantFrom('image_url', 'file', 'text'),
      text: nasty,
      image_url: fc.oneof(nasty, fc.record({ url: nasty, detail: nasty })),
      file: fc.oneof(nasty, fc.record({ file_data: nasty, filename: nasty, file_id: nasty })),
    },
    { requiredKeys: ['type'] },
  );
  fc.assert(
    fc.property(fc.array(part), (content) => {
      try {
        partsOf(content);
      } catch (error) {
        if (!(error instanceof ChatError) || error.status !== 400) throw error;
      }
    }),
    { numRuns: 1000 },
  );
  t.end();
});

t.test('twenty attachments, not more', (t) => {
  const many = (count: number): object[] => Array.from({ length: count }, () => image('https://a.test/'));
  t.equal(partsOf(many(20)).length, 20);
  t.match(refusal(many(21)), { code: 'invalid_value', param: 'messages', message: /20.*21/ });
  t.end();
});

t.test('UPLOAD_BY_URL: URLs at the start of a text are peeled off', (t) => {
  const rules = { historyDisabled: true, uploadByUrl: true };
  const shapeOf = (content: string, role = 'user'): string[] =>
    partsOf(content, rules, role).map((part) =>
      part.type === 'text'
        ? `text ${part.text}`
        : `${part.attachment.param} ${part.attachment.source.kind === 'url' ? part.attachment.source.url : ''}`,
    );
  const at = 'messages[0].content';
  t.strictSame(shapeOf('https://a.test/1.png  http://b.test/2 What is this? https://c.test'), [
    'text What is this? https://c.test',
    `${at} https://a.test/1.png`,
    `${at} http://b.test/2`,
  ]);
  t.strictSame(shapeOf('https://a.test/1.png'), [`${at} https://a.test/1.png`]);
  for (const plain of ['Look: https://a.test/', 'http is a protocol', 'https://', '', ' http://a.test/']) {
    t.strictSame(shapeOf(plain), [`text ${plain}`]);
  }
  t.strictSame(shapeOf('https://a.test/', 'system'), ['text https://a.test/'], 'only users have attachments');
  t.strictSame(partsOf('https://a.test/'), [{ type: 'text', text: 'https://a.test/' }], 'off by default');
  const many = 'https://a.test/ '.repeat(100_000);
  t.throws(() => partsOf(many, rules), { code: 'invalid_value', param: 'messages' });
  fc.assert(
    fc.property(fc.array(fc.webUrl()), fc.string(), (urls, rest) => {
      const peeled = peelUrls([...urls, `x${rest}`].join(' '), 'p', 99);
      return peeled.text === `x${rest}` && peeled.attachments.length === urls.length;
    }),
  );
  t.end();
});

t.test('what images and files add to the prompt', (t) => {
  const counts: [number, number, number][] = [
    [1, 1, 255],
    [512, 512, 255],
    [513, 512, 425],
    [1024, 1024, 765],
    [2048, 4096, 1105],
    [100_000, 1, 1 * 170 * 4 + 85],
  ];
  for (const [width, height, tokens] of counts) {
    t.equal(imageTokens(width, height), tokens, `${width}x${height}`);
    t.equal(imageTokens(height, width), tokens, `${height}x${width}`);
  }
  t.equal(attachmentTokens(attachmentOf(image(`data:image/png;base64,${PNG}`))), 255);
  t.equal(attachmentTokens(attachmentOf(image(`data:image/png;base64,${PNG}`, 'low'))), 85);
  t.equal(attachmentTokens(attachmentOf(image('https://a.test/cat.png'))), 85);
  t.equal(attachmentTokens(attachmentOf(image('data:image/png;base64,AAAA'))), 85, 'not readable');
  const pdf = Buffer.alloc(12_999).toString('base64');
  t.equal(attachmentTokens(attachmentOf(file({ file_data: pdf }))), 12);
  t.end();
});
