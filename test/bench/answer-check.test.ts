import t from 'tap';
import { answerDeltas } from '../../bench/_util/answer.ts';
import { openaiFrames } from '../../bench/_util/openai-stream.ts';
import { AnswerCheck } from '../../bench/load/answer-check.ts';
import { Chat } from '../../bench/load/chat.ts';
import { ExpectedAnswer } from '../../bench/load/expected-answer.ts';
import type { Dialect, Load } from '../../bench/load/protocol.ts';
import { ResponseReader } from '../../bench/load/response-reader.ts';
import { toScript } from '../../bench/load/script.ts';
import { Tally } from '../../bench/load/tally.ts';

// A bench that counts wrong streams as right measures nothing.

const DELTAS = 30;
const DONE = 'e\r\ndata: [DONE]\n\n\r\n';
const DIALECTS: readonly Dialect[] = ['v1', 'legacy', 'openai'];

/** What the stand-in writes, one delta each. */
function writesOf(dialect: Dialect, atOnce = 1): string[] {
  const encoding = dialect === 'legacy' ? 'legacy' : 'v1';
  const plan = { encoding, deltas: DELTAS, atOnce, deltasPerSecond: 20, isBatched: false } as const;
  const { opening, steps } = toScript(dialect, plan);
  return [opening, ...steps].map((bytes) => bytes.toString('latin1'));
}

/** What the generator has to say of a response that comes in pieces of so many bytes, and is then closed. */
function judge(
  dialect: Dialect,
  bytes: string,
  pieceBytes = bytes.length,
): { ended: number; why: string | null } {
  const check = new AnswerCheck(new ExpectedAnswer(DELTAS), dialect);
  let ended = 0;
  const reader = new ResponseReader({
    onHead: () => {},
    onBody: (piece) => check.push(piece),
    onEnd: () => void (ended += 1),
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.push(bytes.slice(at, at + pieceBytes));
  reader.close();
  return { ended, why: check.verdict() };
}

t.test('a right stream is right, however it is cut', async (t) => {
  for (const dialect of DIALECTS) {
    for (const atOnce of [1, 20]) {
      const bytes = writesOf(dialect, atOnce).join('');
      for (const pieceBytes of [1, 7, bytes.length]) {
        t.strictSame(
          judge(dialect, bytes, pieceBytes),
          { ended: 1, why: null },
          `${dialect} by ${pieceBytes}`,
        );
      }
    }
  }
});

t.test('so is one whose texts are cut and escaped otherwise, ended by closing', async (t) => {
  const text = answerDeltas(DELTAS).join('');
  const escaped = (part: string): string =>
    JSON.stringify(part).replaceAll(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const chunk = (part: string, reason: string): string =>
    `data: {"choices": [{"delta": {"content": ${escaped(part)}}, "finish_reason": ${reason}}]}\r\n\r\n`;
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n';
  const body = chunk('', 'null') + chunk(text.slice(0, 7), 'null') + chunk(text.slice(7), '"stop"');
  t.strictSame(judge('openai', `${head}${body}data: [DONE]\r\n\r\n`), { ended: 1, why: null });
});

t.test('a wrong stream is found', async (t) => {
  for (const dialect of DIALECTS) {
    const all = writesOf(dialect);
    const [a = '', b = ''] = all.slice(5, 7);
    const upTo = all.slice(0, 5).join('');
    const from = all.slice(7).join('');
    const found = (bytes: string): string => judge(dialect, bytes).why ?? 'nothing';
    if (dialect !== 'legacy') {
      t.equal(found(upTo + b + from), 'the text is another', `${dialect}: one is missing`);
      t.equal(found(upTo + b + a + from), 'the text is another', `${dialect}: two have changed places`);
      t.equal(found(upTo + a + a + b + from), 'the text is another', `${dialect}: one comes twice`);
    }
    t.match(found(all.join('').replace(DONE, '')), /0 times \[DONE\]/, `${dialect}: no [DONE]`);
    t.match(found(all.join('').replace(DONE, DONE + DONE)), /follows \[DONE\]/, `${dialect}: two of them`);
    t.match(found(all.slice(0, -1).join('')), /missing|0 finishes/, `${dialect}: no end`);
  }
});

t.test('an error in the stream is found', async (t) => {
  const error = 'data: {"error":{"message":"gone"}}\n\n';
  const chunk = `${error.length.toString(16)}\r\n${error}\r\n`;
  t.match(judge('openai', writesOf('openai').slice(0, 5).join('') + chunk).why, /an error: .*gone/);
});

t.test('what the upstream said at once is one event, however a proxy cuts it', async (t) => {
  const atOnce = 20;
  const load: Load = {
    target: { port: 0, path: '', headers: {}, body: '', dialect: 'openai' },
    deltas: DELTAS,
    atOnce,
    deltasPerSecond: 20,
    arrivals: { kind: 'open', perSecond: 1, forMs: 0 },
    window: { fromMs: 0, toMs: 0 },
    patienceMs: 0,
    watched: {},
  };
  for (const cutAt of [[], [7], [7, 12]]) {
    const tally = new Tally(load);
    tally.isCounting = true;
    const check = new AnswerCheck(new ExpectedAnswer(DELTAS), 'openai');
    const chat = new Chat(performance.now(), check, load, tally, () => {});
    const texts = answerDeltas(DELTAS);
    const borders = [0, ...cutAt, ...Array.from({ length: DELTAS - atOnce + 1 }, (_, at) => atOnce + at)];
    const cut = borders.slice(1).map((to, at) => texts.slice(borders[at], to).join(''));
    for (const frame of openaiFrames(cut)) chat.onBody(frame);
    chat.onEnd(null);
    t.match(tally.counts(), { correct: 1, events: 1 + DELTAS - atOnce }, `in ${cutAt.length + 1} pieces`);
  }
});
