import { createRequire } from 'node:module';
import type { Agent as AgentClass, Dispatcher } from 'undici';
import { loadUws } from '../../src/http/uws.ts';
import type { HttpResponse } from '../../src/http/uws.ts';

// The least that any program of this shape does: uWebSockets.js before, undici behind, and for each chat the
// two calls that the backend's protocol wants. What is streamed passes through unread. It checks nothing and
// has no accounts, proofs, timers or log; one who does not read is held in memory without bounds. What it
// costs, no gateway on these libraries can save.

/** One chat of a client, or what is left of it. */
interface Chat {
  readonly res: HttpResponse;
  isGone: boolean;
  /** What is asked of the backend at the moment. */
  call: Dispatcher.DispatchController | null;
}

type Reader = Required<Pick<Dispatcher.DispatchHandler, 'onResponseData' | 'onResponseEnd'>>;

const ORIGIN = process.env['CHATGPT_BASE_URL'] ?? '';
const REQUIREMENTS = JSON.stringify({ p: 'bench' });
const HEADERS = { 'content-type': 'application/json' };

// As the program loads it: without the modules that its entry loads besides.
const Agent = createRequire(import.meta.url)('undici/lib/dispatcher/agent.js') as typeof AgentClass;
const agent = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
const { uws } = loadUws();

uws
  .App()
  .any('/*', serve)
  .listen('127.0.0.1', 0, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
    const port = socket === false ? null : uws.us_socket_local_port(socket);
    process.stdout.write(`${JSON.stringify({ port })}\n`);
  });

function serve(res: HttpResponse): void {
  const chat: Chat = { res, isGone: false, call: null };
  const parts: Buffer[] = [];
  res.onAborted(() => {
    chat.isGone = true;
    chat.call?.abort(new Error('the client left'));
  });
  res.onData((chunk, isLast) => {
    // The library takes its memory back when this returns.
    parts.push(Buffer.from(new Uint8Array(chunk)));
    if (isLast) askLeave(chat, Buffer.concat(parts).toString());
  });
}

function askLeave(chat: Chat, question: string): void {
  const { messages } = JSON.parse(question) as { messages: unknown };
  let answer = '';
  post(chat, '/backend-anon/sentinel/chat-requirements', REQUIREMENTS, {
    onResponseData(_, chunk) {
      answer += chunk.toString();
    },
    onResponseEnd() {
      const { token } = JSON.parse(answer) as { token: unknown };
      converse(chat, JSON.stringify({ action: 'next', model: 'auto', messages, token }));
    },
  });
}

function converse(chat: Chat, turn: string): void {
  const { res } = chat;
  let hasBegun = false;
  post(chat, '/backend-anon/conversation', turn, {
    onResponseData(_, chunk) {
      res.cork(() => {
        if (!hasBegun) res.writeHeader('content-type', 'text/event-stream');
        hasBegun = true;
        res.write(chunk);
      });
    },
    onResponseEnd() {
      res.cork(() => res.end());
    },
  });
}

/** Nothing is read once the client has left: what was asked for it is given up then. */
function post(chat: Chat, path: string, body: string, reader: Reader): void {
  agent.dispatch(
    { origin: ORIGIN, path, method: 'POST', headers: HEADERS, body },
    {
      onRequestStart(call) {
        chat.call = call;
        if (chat.isGone) call.abort(new Error('the client left'));
      },
      onResponseStart() {},
      onResponseData: reader.onResponseData,
      onResponseEnd: reader.onResponseEnd,
      onResponseError() {
        if (!chat.isGone) chat.res.close();
      },
    },
  );
}
