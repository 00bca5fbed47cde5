import { STATUS_CODES } from 'node:http';

const LINES = new Map(
  Object.entries(STATUS_CODES).map(([status, reason]) => [Number(status), `${status} ${reason}`]),
);

/** `404` as `404 Not Found`. */
export function statusLine(status: number): string {
  return LINES.get(status) ?? String(status);
}
