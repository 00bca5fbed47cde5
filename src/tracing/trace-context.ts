import type { Context, SpanContext } from '@opentelemetry/api';

type Api = typeof import('@opentelemetry/api');

const TRACEPARENT = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
/** More than any known system sends; beyond it the standard allows to drop it. */
const MAX_STATE_CHARS = 512;

/** W3C Trace Context, as the caller sent it; the root when there is none, or none that is sane. */
export function parentContext(api: Api, traceparent = '', tracestate = ''): Context {
  const [, version, traceId = '', spanId = '', flags = '00', rest] =
    TRACEPARENT.exec(traceparent.trim()) ?? [];
  const caller: SpanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & api.TraceFlags.SAMPLED,
    isRemote: true,
    ...(tracestate !== '' &&
      tracestate.length <= MAX_STATE_CHARS && { traceState: api.createTraceState(tracestate) }),
  };
  const isKnown = version !== undefined && (version !== '00' || rest === undefined);
  if (!isKnown || !api.isSpanContextValid(caller)) return api.ROOT_CONTEXT;
  return api.trace.setSpanContext(api.ROOT_CONTEXT, caller);
}
