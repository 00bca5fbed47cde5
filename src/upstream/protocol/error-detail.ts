/** What the backend says in one of its several forms of error body. */
export interface Detail {
  readonly message: string;
  readonly code: string;
  readonly clearsInS: number | null;
}

export const NO_DETAIL: Detail = { message: '', code: '', clearsInS: null };

/** A limit of the backend lasts a month at most; whatever says more is not believed. */
const MAX_WAIT_S = 31 * 86_400;

/** `{"detail": text | object | list}`, `{"error": ...}`, or plain text, by whatever media type it came. */
export function parseDetail(body: string): Detail {
  const json = parseObject(body);
  if (json === null) return { ...NO_DETAIL, message: body };
  const detail = json['detail'] ?? json['error'] ?? json;
  if (typeof detail === 'string')
    return { ...NO_DETAIL, message: detail, clearsInS: toWait(json['clears_in']) };
  if (Array.isArray(detail)) return { ...NO_DETAIL, message: detail.map(toComplaint).join('; ') };
  if (!isObject(detail)) return NO_DETAIL;
  return {
    message: textOf(detail['message']) || textOf(detail['detail']),
    code: textOf(detail['code']),
    clearsInS: toWait(detail['clears_in']),
  };
}

/** Header `retry-after` in seconds; the form with a date is not used by the backend. */
export function parseRetryAfter(text: string): number | null {
  return /^\d{1,9}$/.test(text.trim()) ? toWait(Number(text)) : null;
}

function toWait(value: unknown): number | null {
  const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) return null;
  return Math.min(Math.ceil(seconds), MAX_WAIT_S);
}

/** An entry of FastAPI's list: `body.messages: Field required`. */
function toComplaint(entry: unknown): string {
  if (!isObject(entry)) return '';
  const place = Array.isArray(entry['loc']) ? entry['loc'].join('.') : '';
  return `${place}: ${textOf(entry['msg'])}`;
}

export function parseObject(body: string): Record<string, unknown> | null {
  try {
    const json: unknown = JSON.parse(body);
    return isObject(json) ? json : null;
  } catch {
    return null;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
