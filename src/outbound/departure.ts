import type { Connection } from './connection.ts';
import { errors } from './undici.ts';

/** A request as it was written to a connection. */
export interface Departure {
  readonly connection: Connection;
  /** What the connection had brought by then. */
  readonly answers: number;
  readonly bytesRead: number;
  readonly atMs: number;
}

/** A close that was under way when we wrote is here within a round trip, also through a slow proxy. */
const CROSSING_MS = 2_000;

export function depart(connection: Connection, nowMs: number): Departure {
  const { answers, bytesRead } = connection;
  return { connection, answers, bytesRead, atMs: nowMs };
}

/**
 * Did the server close the connection as it does with idle ones, at the moment when the request was on
 * its way? Nothing tells for sure that a request was not read; but a connection that had done its work,
 * and was closed before a byte was said to the next request and no later than such news takes to cross
 * it, was most likely closed for being idle. So browsers send such a request once more (RFC 9112, 9.3.1).
 * RFC 9110, 9.2.2 keeps that from what must not be done twice: a question that may have been read is for
 * the spine to ask again, within its budget of retries.
 */
export function crossedClose(error: Error, departure: Departure, nowMs: number): boolean {
  return departure.answers > 0 && nowMs - departure.atMs <= CROSSING_MS && closedUnanswered(error, departure);
}

/** The connection broke, and there was not a byte of an answer. */
export function closedUnanswered(error: Error, { connection, bytesRead }: Departure): boolean {
  return isBreak(error) && connection.bytesRead === bytesRead;
}

/** What ends a connection on the part of its server or the network, unasked-for bytes among it. */
export function isBreak(error: Error): boolean {
  if (error instanceof errors.SocketError || error instanceof errors.HTTPParserError) return true;
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && /^E[A-Z]+$/.test(code);
}
