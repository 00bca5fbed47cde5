import { FILES_PATH } from '../chat/file-ports.ts';
import type { TurnSink } from '../chat/ports.ts';
import type { TurnEvent } from '../conversation/events.ts';
import type { FindOwnOrigin } from './own-origin.ts';
import type { RequestSnapshot } from './request.ts';

export interface PublicAddress {
  readonly findOwn: FindOwnOrigin;
  /** `API_PREFIX`: empty, or starting with a slash. */
  readonly prefix: string;
}

/** What goes before our own links so that this client can follow them. Without a sane `Host` they stay relative. */
export function publicBase(request: RequestSnapshot, { findOwn, prefix }: PublicAddress): string {
  return `${findOwn(request)?.url ?? ''}${prefix}`;
}

/** A link as the spine has it, for a client. */
export function toPublicLink(link: string, base: string): string {
  return link.startsWith(FILES_PATH) ? base + link : link;
}

/** Stands before a sink and gives it links that its client can follow. */
export class PublicLinks implements TurnSink {
  readonly #sink: TurnSink;
  readonly #base: string;

  constructor(sink: TurnSink, base: string) {
    this.#sink = sink;
    this.#base = base;
  }

  get committed(): boolean {
    return this.#sink.committed;
  }

  get satisfied(): boolean {
    return this.#sink.satisfied;
  }

  accepted(): void {
    this.#sink.accepted();
  }

  write(event: TurnEvent): boolean {
    if ((event.type !== 'image' && event.type !== 'file') || event.link === null) {
      return this.#sink.write(event);
    }
    return this.#sink.write({ ...event, link: toPublicLink(event.link, this.#base) });
  }

  onDrain(listener: () => void): void {
    this.#sink.onDrain(listener);
  }
}
