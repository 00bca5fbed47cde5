import { ChatError } from '../errors.ts';
import type { Exchange } from '../outbound/exchange.ts';

export interface ArkoseOptions {
  readonly exchange: Exchange;
  /** ARKOSE_TOKEN_URL; may be empty. */
  readonly services: readonly string[];
  /** The way out to them: no proxy, they are the operator's own. */
  readonly exit: string;
  readonly timeoutMs: number;
}

/** Gets a token from one of the operator's services, in turn. Rejects with `arkose_required`, `arkose_failed`. */
export type Arkose = (blob: string | null, signal: AbortSignal) => Promise<string>;

const HEADER_TEXT = /^[\x20-\x7e]*[\x21-\x7e]$/;

export function createArkose({ exchange, services, exit, timeoutMs }: ArkoseOptions): Arkose {
  let turn = 0;
  return async (blob, signal) => {
    if (services.length === 0) throw missing();
    const index = turn % services.length;
    turn += 1;
    const url = new URL(services[index] ?? '');
    const request = {
      exit,
      origin: url.origin,
      method: 'POST',
      path: url.pathname + url.search,
      headers: { accept: 'application/json', 'content-type': 'application/json', ...login(url) },
      body: JSON.stringify({ blob }),
      timeoutMs,
      step: 'the Arkose service',
    } as const;
    const answer = await exchange(request, signal).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : failed(index, 'gave no answer', error);
    });
    const token = parseToken(answer.text);
    if (token === null) throw failed(index, 'gave no token', null);
    return token;
  };
}

function login({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** The status is no matter, only the JSON; `solved` absent means true. */
function parseToken(text: string): string | null {
  try {
    const json = JSON.parse(text) as { token?: unknown; solved?: unknown } | null;
    const token = json?.token;
    return json?.solved !== false && typeof token === 'string' && HEADER_TEXT.test(token) ? token : null;
  } catch {
    return null;
  }
}

function missing(): ChatError {
  return new ChatError(
    'arkose_required',
    'The backend wants an Arkose token for this account or model. Set ARKOSE_TOKEN_URL to a service that gives one.',
  );
}

function failed(index: number, how: string, cause: unknown): ChatError {
  return new ChatError(
    'arkose_failed',
    `The Arkose service (entry ${index + 1} of ARKOSE_TOKEN_URL) ${how}.`,
    cause === null ? {} : { cause },
  );
}
