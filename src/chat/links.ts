import type { Asset, DecodedEvent, FileEvent, ImageEvent, TurnEvent } from '../conversation/events.ts';
import { Deadline } from './deadline.ts';

/** How long the answer waits for one link; after that the client is told that there is none. */
const LINK_MS = 15_000;

/** What may wait behind a link before upstream is paused. */
const MAX_WAITING_EVENTS = 256;
const MAX_WAITING_CHARS = 64 * 1024;
const MAX_WAITING_LINKS = 16;

/** Of UTF-16 units. A longer text passes in slices: 0.6 ms to count, 17 ms where an unbroken run makes it hard. */
const SLICE_CHARS = 4 * 1024;
/**
 * For so long slices follow each other; then the event loop turns before the next. Counting the tokens of 430,000
 * units at once held up all other streams for 39 to 92 ms.
 */
const TURN_MS = 4;

/** Who gives links their work and takes what comes of it: one object for a turn, and no closure. */
export interface LinksOwner {
  /** As the port `link`, for one session. */
  link(asset: Asset, signal: AbortSignal): Promise<string | null>;
  /** Takes the next event; false: `flush` shall stop here. */
  deliver(event: TurnEvent): boolean;
  /** A link came, or never will: `flush` may get further. */
  onReady(): void;
  readonly linkMs?: number;
  readonly nowMs?: () => number;
}

/** An event in line. A link that is still to come stands as null. */
interface Waiting {
  event: TurnEvent;
  isReady: boolean;
  /** Ends the wait for its link. */
  readonly cancel: () => void;
}

/**
 * Gives images and files their links on the way from the decoder to the sink. Links are fetched
 * side by side, events leave in the order in which they came:
 *
 *   text  image(?)  text  file(?)  turn-end     the line, while `?` is on its way
 *   ^ left already   ^ waits, as all behind it
 *
 * While nothing waits, events pass straight through.
 */
export class Links {
  readonly #owner: LinksOwner;
  readonly #line: Waiting[] = [];
  #chars = 0;
  #unresolved = 0;
  readonly #nowMs: () => number;
  /** When the slices of this turn began to pass. */
  #turnAtMs = 0;
  /** Until then others have their turn. */
  #breath: NodeJS.Immediate | null = null;

  constructor(owner: LinksOwner) {
    this.#owner = owner;
    this.#nowMs = owner.nowMs ?? now;
  }

  get isEmpty(): boolean {
    return this.#line.length === 0;
  }

  /** Upstream should wait: what it sends could not leave yet. */
  get isFull(): boolean {
    return (
      this.#line.length >= MAX_WAITING_EVENTS ||
      this.#chars >= MAX_WAITING_CHARS ||
      this.#unresolved >= MAX_WAITING_LINKS
    );
  }

  push(event: DecodedEvent): void {
    if (event.type === 'image' || event.type === 'file') this.#line.push(this.#resolve(event));
    else if ('text' in event && event.text.length > SLICE_CHARS) this.#pushSlices(event);
    else this.#pass(event);
  }

  /** Delivers from the head of the line, up to a link still to come or until `deliver` says no. */
  flush(): void {
    this.#turnAtMs = this.#nowMs();
    for (let head = this.#line[0]; head?.isReady === true; head = this.#line[0]) {
      if (this.#breath !== null) return;
      this.#line.shift();
      this.#chars -= charsOf(head.event);
      if (!this.#deliver(head.event)) return;
    }
  }

  /** Drops the line and ends every fetch. Idempotent. */
  cancel(): void {
    if (this.#line.length > 0) for (const { cancel } of this.#line.splice(0)) cancel();
    this.#chars = 0;
    if (this.#breath !== null) clearImmediate(this.#breath);
    this.#breath = null;
  }

  #pushSlices(event: Extract<TurnEvent, { readonly text: string }>): void {
    this.#turnAtMs = this.#nowMs();
    let goesOn = true;
    for (const text of slicesOf(event.text)) {
      if (goesOn) goesOn = this.#pass({ ...event, text });
      else this.#wait({ ...event, text });
    }
  }

  /** False: `flush` shall go on, later. */
  #pass(event: TurnEvent): boolean {
    if (this.#line.length === 0 && this.#breath === null) return this.#deliver(event);
    this.#wait(event);
    return false;
  }

  #wait(event: TurnEvent): void {
    this.#line.push({ event, isReady: true, cancel: () => {} });
    this.#chars += charsOf(event);
  }

  #deliver(event: TurnEvent): boolean {
    const goesOn = this.#owner.deliver(event);
    const isSlice = charsOf(event) >= SLICE_CHARS - 1;
    if (isSlice && this.#nowMs() - this.#turnAtMs >= TURN_MS) {
      this.#breath ??= setImmediate(() => this.#onBreath());
    }
    return goesOn;
  }

  #onBreath(): void {
    this.#breath = null;
    this.#owner.onReady();
  }

  #resolve(asked: ImageEvent<Asset> | FileEvent<Asset>): Waiting {
    const fetching = new AbortController();
    const settle = (link: string | null): boolean => {
      if (waiting.isReady) return false;
      deadline.stop();
      this.#unresolved -= 1;
      waiting.event = { ...asked, link };
      waiting.isReady = true;
      return true;
    };
    const onLink = (link: string | null): void => {
      if (settle(link)) this.#owner.onReady();
    };
    const waiting: Waiting = {
      event: { ...asked, link: null },
      isReady: false,
      cancel() {
        settle(null);
        fetching.abort();
      },
    };
    const deadline = new Deadline(this.#owner.linkMs ?? LINK_MS, () => {
      onLink(null);
      fetching.abort();
    });
    this.#unresolved += 1;
    this.#owner.link(asked.link, fetching.signal).then(onLink, () => onLink(null));
    return waiting;
  }
}

function now(): number {
  return performance.now();
}

/** No character of two units is cut. */
function* slicesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length;) {
    const last = text.charCodeAt(start + SLICE_CHARS - 1);
    const end = start + (last >= 0xd800 && last <= 0xdbff ? SLICE_CHARS - 1 : SLICE_CHARS);
    yield text.slice(start, end);
    start = end;
  }
}

function charsOf(event: TurnEvent): number {
  return 'text' in event ? event.text.length : 0;
}
