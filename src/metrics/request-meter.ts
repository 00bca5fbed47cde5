import type { RequestRecord } from '../http/server.ts';
import { Buckets } from './buckets.ts';
import type { Family } from './exposition.ts';
import { labelText } from './exposition.ts';

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1_800];
/** What the log calls `unknown`. */
const OTHER_ROUTE = 'other';

/** Requests that ended alike. */
interface Ending {
  readonly status: number;
  readonly code: string;
  readonly outcome: string;
  count: number;
}

interface RouteFigures {
  readonly endings: Ending[];
  readonly seconds: Buckets;
  bytes: number;
}

/**
 * Figures of requests, told at the end of each. Its labels become text at a scrape only: the library's counters,
 * which make a text of them for each request to find the right one by, took 1.1 us and this 0.03 (bench metrics).
 */
export class RequestMeter {
  readonly #routes = new Map<string, RouteFigures>();
  readonly #firstToken = new Buckets(SECONDS);
  readonly #streaming = new Buckets(SECONDS);

  /** `endedMs`: by the wall clock, on which traces are. */
  observe(record: RequestRecord, endedMs: number): void {
    const { status, outcome, durationMs, bytesOut, notes } = record;
    const { error, trace } = notes;
    const figures = this.#figuresOf(record.route === 'unknown' ? OTHER_ROUTE : record.route);
    endingOf(figures.endings, status ?? 0, error?.code ?? '', outcome).count += 1;
    figures.seconds.observe(durationMs / 1000);
    figures.bytes += bytesOut;
    if (trace === undefined || trace.firstTextMs === null) return;
    // A chat's own times begin when its body was read and it had a place.
    const textMs = Math.max(0, Math.min(durationMs, endedMs - trace.startedAt - trace.firstTextMs));
    this.#streaming.observe(textMs / 1000);
    this.#firstToken.observe((durationMs - textMs) / 1000);
  }

  families(): Family[] {
    const routes = [...this.#routes].map(([route, figures]) => ({
      labels: labelText({ route }),
      ...figures,
    }));
    return [
      {
        name: 'chat2api_requests_total',
        type: 'counter',
        help: 'Requests that ended, by route, status and error code',
        samples: routes.flatMap(({ labels, endings }) =>
          endings.map(({ status, code, outcome, count }) => ({
            labels: `${labels},${labelText({ status: String(status), code, outcome })}`,
            value: count,
          })),
        ),
      },
      {
        name: 'chat2api_sent_bytes_total',
        type: 'counter',
        help: 'Bytes of bodies that were sent to clients',
        samples: routes.map(({ labels, bytes }) => ({ labels, value: bytes })),
      },
      {
        name: 'chat2api_request_duration_seconds',
        type: 'histogram',
        help: 'From the request to the end of its answer',
        samples: routes.flatMap(({ labels, seconds }) => seconds.samples(labels)),
      },
      {
        name: 'chat2api_first_token_seconds',
        type: 'histogram',
        help: "From the request to the first text of a chat's answer",
        samples: this.#firstToken.samples(),
      },
      {
        name: 'chat2api_stream_duration_seconds',
        type: 'histogram',
        help: "From the first text of a chat's answer to its end",
        samples: this.#streaming.samples(),
      },
    ];
  }

  #figuresOf(route: string): RouteFigures {
    let figures = this.#routes.get(route);
    if (figures === undefined) {
      figures = { endings: [], seconds: new Buckets(SECONDS), bytes: 0 };
      this.#routes.set(route, figures);
    }
    return figures;
  }
}

/** There are few, and the first that a route had is mostly the usual one. */
function endingOf(endings: Ending[], status: number, code: string, outcome: string): Ending {
  for (const one of endings) {
    if (one.status === status && one.code === code && one.outcome === outcome) return one;
  }
  const ending = { status, code, outcome, count: 0 };
  endings.push(ending);
  return ending;
}
