import { setTimeout as sleep } from 'node:timers/promises';
import type { ChatPorts, Session } from '../chat/ports.ts';
import type { PendingDrawing } from '../conversation/events.ts';
import type { Answer, Exchange } from '../outbound/exchange.ts';
import { baseHeaders, basePath } from './headers.ts';
import type { ClientProfile } from './headers.ts';
import { parseDrawing } from './protocol/drawing.ts';

export interface PendingDrawingsOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly intervalMs?: number;
  readonly waitMs?: number;
}

const INTERVAL_MS = 2_000;
/** Share of the interval by which waits differ, so that many drawings are not asked for at once. */
const JITTER = 0.25;
const WAIT_MS = 120_000;
const CALL_TIMEOUT_MS = 15_000;
/** A new conversation may not be found at first, a temporary one never is. */
const MAX_REFUSALS = 3;

/** Drawings that upstream put off: asks for the conversation again and again until they are in it. */
export function createPendingDrawings(options: PendingDrawingsOptions): Pick<ChatPorts, 'drawing'> {
  const { random, intervalMs = INTERVAL_MS, waitMs = WAIT_MS } = options;
  return {
    async drawing(session, pending, signal) {
      const endsMs = performance.now() + waitMs;
      for (let refusals = 0; refusals < MAX_REFUSALS;) {
        const delayMs = intervalMs * (1 + JITTER * (2 * random() - 1));
        if (performance.now() + delayMs > endsMs) return null;
        await pause(delayMs, signal);
        const answer = await ask(options, session, pending, signal);
        const drawing = answer?.status === 200 ? parseDrawing(answer.text, pending) : null;
        if (drawing !== null) return drawing;
        refusals = answer !== null && isRefusal(answer) ? refusals + 1 : 0;
      }
      return null;
    },
  };
}

/** Null: there was no answer, which the next call may cure. */
async function ask(
  { exchange, profile }: PendingDrawingsOptions,
  session: Session,
  { conversationId }: PendingDrawing,
  signal: AbortSignal,
): Promise<Answer | null> {
  const request = {
    exit: session.exit,
    origin: session.origin,
    method: 'GET',
    path: `${basePath(session)}/conversation/${encodeURIComponent(conversationId)}`,
    headers: baseHeaders(session, profile),
    body: null,
    timeoutMs: CALL_TIMEOUT_MS,
    step: 'the conversation with a drawing',
  } as const;
  try {
    return await exchange(request, signal);
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

/** Too many requests are no refusal: later there may be an answer. */
function isRefusal({ status }: Answer): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** Rejects with the signal's reason itself, not with an error about it. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
