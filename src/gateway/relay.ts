import { ChatError } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import type { RequestSnapshot } from '../http/request.ts';
import type { Exits } from '../outbound/exits.ts';
import { headerText } from '../outbound/exchange.ts';
import type { ResponseHeaders, SendControl } from '../outbound/send.ts';
import { AnswerOutput } from './answer-output.ts';
import { bodyKind } from './body-kind.ts';
import type { BodyKind } from './body-kind.ts';
import { toUpstreamHeaders } from './request-headers.ts';
import { toOwnHeaders } from './response-headers.ts';
import type { BodyStage } from './text-body.ts';
import { createTextBody } from './text-body.ts';
import { receiveUpload } from './upload.ts';
import type { Upload } from './upload.ts';
import type { Visit, Visits } from './visit.ts';

export interface RelayOptions {
  readonly send: Exits['send'];
  readonly visits: Visits;
  /** Longest silence of upstream's. */
  readonly idleMs: number;
  /** Longest time for which a client takes nothing, or sends nothing of what it began to send. */
  readonly slowClientMs: number;
}

/** How often a client is looked at; shorter than the 10 s after which the native server cuts a quiet one. */
const CHECK_MS = 4_000;

/** A stream of events is announced after so much silence, with a comment: a head leaves with a body only. */
const ANNOUNCE_MS = 1_000;
const COMMENT = Buffer.from(':\n\n');

/** A way that cannot be had at all is tried no more than twice. */
const MAX_ATTEMPTS = 2;

const BODILESS = new Set([204, 205, 304]);

/** One request of a browser's, taken to upstream and its answer back, both at the slower one's pace. */
export class Relay {
  readonly #request: RequestSnapshot;
  readonly #reply: Reply;
  readonly #options: RelayOptions;
  readonly #upload: Upload | null;
  readonly #silence: NodeJS.Timeout;
  readonly #watch: NodeJS.Timeout;
  #visit: Visit;
  #attempts = 0;
  /** The answer tells that the site works. */
  #isWell = false;
  #control: SendControl | null = null;
  #output: AnswerOutput | null = null;
  #stage: BodyStage | null = null;
  #announcement: NodeJS.Timeout | null = null;
  #bytesSeen = 0;
  #uploadSeen = false;
  #quietMs = 0;

  /** Must be made before the first await of the native handler. */
  constructor(request: RequestSnapshot, reply: Reply, visit: Visit, options: RelayOptions) {
    this.#request = request;
    this.#reply = reply;
    this.#visit = visit;
    this.#options = options;
    this.#upload = receiveUpload(reply, request, () => {
      this.#uploadSeen = true;
      this.#silence.refresh();
    });
    this.#silence = setTimeout(() => this.#onSilence(), options.idleMs);
    const everyMs = Math.min(CHECK_MS, options.slowClientMs);
    this.#watch = setInterval(() => this.#check(everyMs), everyMs);
    reply.onClose(() => this.#close());
    this.#send();
  }

  #send(): void {
    this.#attempts += 1;
    const { upstream, target, way, context } = this.#visit;
    const hasBody = this.#upload !== null;
    this.#control = this.#options.send(
      way.exit,
      {
        origin: upstream,
        method: this.#request.method,
        path: target,
        headers: toUpstreamHeaders(this.#request, context, hasBody),
        body: this.#upload?.body ?? null,
      },
      {
        onHead: (status, headers) => this.#onHead(status, headers),
        onBytes: (chunk) => this.#onBytes(chunk),
        onEnd: () => this.#onEnd(),
        onFailure: (error) => this.#onFailure(error),
      },
    );
  }

  #onHead(status: number, headers: ResponseHeaders): void {
    this.#silence.refresh();
    this.#isWell = status < 400;
    const { own, hosts, rewriter, basePath, context } = this.#visit;
    const kind = bodyKind(this.#request.path, status, headers);
    const headOnly = this.#request.method === 'HEAD' || BODILESS.has(status);
    const isRewritten = kind.kind === 'text';
    const length = headerText(headers, 'content-length');
    this.#output = new AnswerOutput({
      reply: this.#reply,
      head: {
        status,
        headers: toOwnHeaders(headers, {
          own,
          hosts,
          rewriter,
          basePath,
          privateCookies: context.privateCookies,
          isRewritten,
        }),
        size: isRewritten || !/^\d+$/.test(length) ? null : Number(length),
      },
      headOnly,
      onTaken: () => this.#onTaken(),
      onEnding: () => this.#upload?.discard(),
    });
    if (!headOnly) this.#openBody(kind, this.#output);
  }

  #openBody(kind: BodyKind, output: AnswerOutput): void {
    if (kind.kind === 'events' && output.isOpenEnded) {
      this.#announcement = setTimeout(() => output.write(COMMENT), ANNOUNCE_MS);
    }
    if (kind.kind !== 'text') return;
    this.#stage = createTextBody({
      encoding: kind.encoding,
      rewriting: this.#visit.rewriter.open(),
      sink: output,
      onTaken: () => this.#control?.resume(),
      onBroken: (error) => {
        this.#control?.abort();
        this.#onFailure(garbled(error));
      },
    });
  }

  #onBytes(chunk: Buffer): void {
    this.#silence.refresh();
    this.#stopAnnouncement();
    const into = this.#stage ?? this.#output;
    if (into !== null && !into.write(chunk)) this.#control?.pause();
  }

  #onEnd(): void {
    this.#stopAnnouncement();
    this.#visit.release(this.#isWell ? null : 'unused');
    (this.#stage ?? this.#output)?.end();
  }

  #onFailure(error: ChatError): void {
    this.#visit.release(error);
    const another =
      error.unsent && this.#attempts < MAX_ATTEMPTS && !this.#reply.closed
        ? this.#options.visits.again(this.#visit)
        : null;
    if (another !== null) {
      this.#visit = another;
      return this.#send();
    }
    this.#upload?.discard();
    this.#reply.fail(error);
  }

  #onTaken(): void {
    this.#silence.refresh();
    if (this.#stage === null) this.#control?.resume();
    else this.#stage.resume();
  }

  /** While the client keeps upstream waiting, upstream's silence is none of its own. */
  #onSilence(): void {
    if (this.#output?.isStalled || this.#upload?.isAwaited) return void this.#silence.refresh();
    this.#control?.abort();
    this.#onFailure(tooSilent(this.#options.idleMs));
  }

  #check(everyMs: number): void {
    const { bytesOut } = this.#reply;
    const isStuck = this.#output?.isStalled === true && bytesOut === this.#bytesSeen;
    const isMute = this.#upload?.isAwaited === true && !this.#uploadSeen && this.#output === null;
    this.#quietMs = isStuck || isMute ? this.#quietMs + everyMs : 0;
    [this.#bytesSeen, this.#uploadSeen] = [bytesOut, false];
    if (this.#quietMs >= this.#options.slowClientMs) this.#reply.cut('slow_client');
    else this.#reply.extendPatience();
  }

  #stopAnnouncement(): void {
    if (this.#announcement !== null) clearTimeout(this.#announcement);
    this.#announcement = null;
  }

  #close(): void {
    clearTimeout(this.#silence);
    clearInterval(this.#watch);
    this.#stopAnnouncement();
    this.#stage?.destroy();
    // A connection that has brought all is good for the next request.
    if (this.#output?.isComplete !== true) this.#control?.abort();
    this.#upload?.discard();
    this.#visit.release('unused');
  }
}

function tooSilent(idleMs: number): ChatError {
  return new ChatError(
    'upstream_timeout',
    `The web site said nothing for ${idleMs / 1000} s (IDLE_TIMEOUT_MS).`,
  );
}

function garbled(cause: Error): ChatError {
  return new ChatError('upstream_protocol_error', 'The web site sent a page that cannot be decompressed.', {
    cause,
  });
}
