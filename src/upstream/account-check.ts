import type { Session } from '../chat/ports.ts';
import { ChatError } from '../errors.ts';
import { headerText } from '../outbound/exchange.ts';
import type { Answer, Exchange } from '../outbound/exchange.ts';
import { baseHeaders } from './headers.ts';
import type { ClientProfile } from './headers.ts';
import { parseAccountStatus } from './protocol/account-status.ts';
import { parseObject } from './protocol/error-detail.ts';
import { toRefusal } from './protocol/refusal.ts';

export interface AccountCheckOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  readonly timeoutMs?: number;
}

export interface CheckedAccount {
  readonly ok: true;
  /** As the backend calls it (`free`, `plus`, `team`, ...); null: it does not say. */
  readonly plan: string | null;
}

/**
 * Asks the backend, at the cost of no message, what it thinks of the session's account. Rejects with a
 * ChatError when it thinks ill of it or cannot be asked, or with the signal's reason.
 */
export type AccountCheck = (session: Session, signal: AbortSignal) => Promise<CheckedAccount>;

const TIMEOUT_MS = 10_000;
const STEP = "the backend's check of the account";

export function createAccountCheck(options: AccountCheckOptions): AccountCheck {
  const { exchange, profile, timeoutMs = TIMEOUT_MS } = options;

  function get(session: Session, end: string, signal: AbortSignal): Promise<Answer> {
    const { exit, origin } = session;
    const headers = baseHeaders(session, profile);
    const path = `/backend-api${end}`;
    return exchange(
      { exit, origin, method: 'GET', path, headers, body: null, timeoutMs, step: STEP },
      signal,
    );
  }

  return async (session, signal) => {
    const answer = await get(session, '/accounts/check/v4-2023-04-27', signal);
    if (answer.status === 200) {
      const status = parseAccountStatus(answer.text, session.identity.accountId);
      if (status?.isDeactivated === true) throw deactivated();
      if (status !== null) return { ok: true, plan: status.plan };
    } else if (answer.status !== 404 && answer.status !== 405) throw refusalOf(answer);
    // Small gateways know the calls of a chat only.
    const models = await get(session, '/models', signal);
    if (models.status !== 200) throw refusalOf(models);
    if (!Array.isArray(parseObject(models.text)?.['models'])) throw noAnswer();
    return { ok: true, plan: null };
  };
}

function refusalOf({ status, contentType, text, headers }: Answer): ChatError {
  const retryAfter = headerText(headers, 'retry-after');
  return toRefusal({
    status,
    contentType,
    body: text,
    retryAfter,
    anonymous: false,
    at: 'account',
    model: null,
  });
}

function deactivated(): ChatError {
  return new ChatError('account_unauthorized', 'The backend says that the account is deactivated.', {
    account: 'deactivated',
  });
}

function noAnswer(): ChatError {
  return new ChatError(
    'upstream_protocol_error',
    'The backend answered the check of the account with something that is none. Is CHATGPT_BASE_URL right?',
  );
}
