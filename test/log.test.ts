import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import type { Trace } from '../src/chat/ports.ts';
import { ChatError } from '../src/errors.ts';
import type { RequestRecord } from '../src/http/server.ts';
import { createLog, type EventFields, type LogOptions } from '../src/log.ts';

const CANARY = 'canary-51c2';
const TRACE: Trace = { startedAt: 0, attempts: 1, leasedMs: 1, clearedMs: 2, openedMs: 3, firstTextMs: 4 };
const RECORD: RequestRecord = {
  requestId: 'req-1',
  method: 'POST',
  route: '/v1/chat/completions',
  status: 200,
  outcome: 'ok',
  durationMs: 12,
  bytesOut: 20,
  notes: { model: 'gpt-4o', trace: TRACE },
};

function memoryLog(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line) };
  const log = createLog({ level: 'debug', format: 'json', stream, ...options });
  return { log, lines, text: () => lines.join(''), last: () => JSON.parse(lines.at(-1) ?? '{}') };
}

/** An error with the canary everywhere a careless log would find it. */
function leakyError(depth = 3): Error {
  const cause = depth > 0 ? leakyError(depth - 1) : { [CANARY]: CANARY };
  const error = new TypeError(`connect to http://user:${CANARY}@proxy\n    at ${CANARY} (${CANARY}:1:1)`, {
    cause,
  });
  return Object.assign(error, { code: 'ECONNRESET', headers: { authorization: CANARY }, address: CANARY });
}

function thrownBy(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

t.test('one line per request, with what an operator asks for', (t) => {
  const { log, lines, last } = memoryLog();
  log.logRequest(RECORD);
  t.equal(lines.length, 1);
  const { notes: _, ...facts } = RECORD;
  const { startedAt: __, ...phases } = TRACE;
  t.match(last(), { level: 'info', msg: 'request', model: 'gpt-4o', ...facts, ...phases });
  t.ok(Date.parse(last().time) > 0);
  log.logRequest({ ...RECORD, notes: {} });
  t.notOk('leasedMs' in last());
  t.end();
});

t.test('errors of a request: code, message, and where their causes were made', (t) => {
  const { log, last } = memoryLog();
  const error = new ChatError('upstream_unreachable', 'The backend cannot be reached.', {
    cause: leakyError(),
  });
  log.logRequest({ ...RECORD, status: 502, outcome: 'error', notes: { error } });
  t.match(last(), {
    level: 'warn',
    error: {
      code: 'upstream_unreachable',
      message: 'The backend cannot be reached.',
      causes: [{ name: 'TypeError', code: 'ECONNRESET' }, { name: 'TypeError' }, {}, {}],
    },
  });
  t.match(last().error.causes[0].at[0], /^leakyError .*log\.test\.js:\d+:\d+/);
  log.error(
    'failed',
    thrownBy(() => Buffer.from(0 as never)),
  );
  t.match(last().error.causes, [{ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', at: [/\bfrom /] }]);
  log.logRequest({
    ...RECORD,
    status: 500,
    notes: { error: new ChatError('internal_error', 'x', { cause: leakyError() }) },
  });
  t.equal(last().level, 'error');
  log.logRequest({ ...RECORD, status: 400, notes: { error: new ChatError('invalid_value', 'x') } });
  t.equal(last().level, 'info');
  t.end();
});

t.test('no secret gets in, wherever it is put', (t) => {
  for (const format of ['json', 'pretty'] as const) {
    const { log, text } = memoryLog({ format });
    const request = { headers: { authorization: CANARY }, body: CANARY, env: { AUTH_KEY: CANARY } };
    const error = Object.assign(
      new ChatError('internal_error', 'It failed.', { cause: leakyError() }),
      request,
    );
    const notes = { ...request, trace: { ...TRACE, ...request }, error };
    log.logRequest({ ...RECORD, ...request, notes });
    log.info('started', { port: 1, ...request } as EventFields);
    log.error('failed', leakyError(), { ...request } as EventFields);
    log.error('failed', error);
    log.error('failed', { message: CANARY });
    log.error('failed', CANARY);
    log.error('failed', Object.assign(new Error(CANARY), { name: `${CANARY} `, code: `${CANARY}!` }));
    const renamed = leakyError();
    renamed.message = 'shorter than what the stack says';
    log.error('failed', renamed);
    const shortened = new Error(`first line\n${CANARY}`);
    shortened.message = 'first line';
    log.error('failed', shortened);
    const circular = new Error('x');
    circular.cause = circular;
    log.error('failed', circular);
    t.match(text(), /internal_error/);
    t.notMatch(text(), CANARY, format);
  }
  t.end();
});

t.test('levels', (t) => {
  const { log, lines } = memoryLog({ level: 'warn' });
  log.debug('a');
  log.info('b');
  log.logRequest(RECORD);
  t.same(lines, []);
  log.warn('c');
  log.error('d');
  t.equal(lines.length, 2);
  t.end();
});

t.test('pretty lines are for people, and there at once', (t) => {
  const { log, text } = memoryLog({ format: 'pretty' });
  log.info('listening', { port: 5005 });
  t.match(text(), /^\[.+\] INFO: listening\n\s+port: 5005\n$/);
  t.end();
});

t.test('standard output: JSON where it is no terminal, complete however the program ends', async (t) => {
  const module = fileURLToPath(new URL('../src/log.js', import.meta.url));
  const run = async (ending: string): Promise<string[]> => {
    const program = `
      import { createLog } from ${JSON.stringify(module)};
      const log = createLog({ level: 'info', format: null });
      for (let count = 0; count < 500; count++) log.info('line', { count });
      ${ending}`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]);
    return stdout.trim().split('\n');
  };
  const endings = [
    'process.exit(0)',
    'await log.close(); log.info("late"); await log.flush(); await log.close(); process.exit(0)',
    'await log.flush(); process.kill(process.pid, "SIGKILL")',
    '',
  ];
  for (const ending of endings) {
    const lines = await run(ending).catch((error: { stdout: string }) => error.stdout.trim().split('\n'));
    t.equal(lines.length, 500, ending);
    t.match(JSON.parse(lines.at(-1) ?? ''), { msg: 'line', count: 499 });
  }
});
