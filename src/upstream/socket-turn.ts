import type { StreamReader } from '../chat/ports.ts';
import { ChatError } from '../errors.ts';
import { Link } from '../linked-list.ts';
import { decodeSocketBody, hasDoneMark } from './protocol/socket-body.ts';
import { isSameAnswer } from './protocol/socket-frame.ts';
import type { AnswerFrame, AnswerIds } from './protocol/socket-frame.ts';

/** What a turn wants of the channel that carries it. */
export interface TurnCarrier {
  onPaceChange(): void;
  /** `isLeft`: the reader left before the end. */
  onTurnOver(turn: SocketTurn, isLeft: boolean): void;
}

interface Claim {
  readonly ids: AnswerIds;
  readonly reader: StreamReader;
}

/** One answer among those that come over a channel: from joining, over knowing its ids, to its end. */
export class SocketTurn {
  /** Among those that share its channel. */
  readonly place = new Link<SocketTurn>(this);
  readonly #carrier: TurnCarrier;
  #claim: Claim | null = null;
  #isOpen = false;
  #isOver = false;
  #isPaused = false;

  constructor(carrier: TurnCarrier) {
    this.#carrier = carrier;
  }

  get isClaimed(): boolean {
    return this.#claim !== null;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  claim(ids: AnswerIds, reader: StreamReader): void {
    this.#claim = { ids, reader };
  }

  wants(frame: AnswerFrame): boolean {
    return this.#claim !== null && isSameAnswer(frame, this.#claim.ids);
  }

  /** The socket stands and the ids are known. */
  open(): void {
    if (this.#isOver || this.#isOpen || this.#claim === null) return;
    this.#isOpen = true;
    this.#claim.reader.onOpen();
  }

  deliver(frame: AnswerFrame): void {
    const bytes = decodeSocketBody(frame.body);
    if (bytes === null) return this.fail(noBase64());
    if (bytes.length > 0 && !this.#isOver) this.#claim?.reader.onBytes(bytes);
    if (this.#isOver || !(frame.isLast || hasDoneMark(bytes))) return;
    this.#finish(false);
    this.#claim?.reader.onEnd();
  }

  /** Others hold up the socket: an empty chunk says that the silence is not the backend's. */
  excuse(): void {
    if (this.#isOpen && !this.#isOver && !this.#isPaused) this.#claim?.reader.onBytes(new Uint8Array());
  }

  fail(error: ChatError): void {
    if (this.#isOver) return;
    this.#finish(false);
    this.#claim?.reader.onFailure(error);
  }

  pause(): void {
    if (this.#isOver || this.#isPaused) return;
    this.#isPaused = true;
    this.#carrier.onPaceChange();
  }

  resume(): void {
    if (this.#isOver || !this.#isPaused) return;
    this.#isPaused = false;
    this.#carrier.onPaceChange();
  }

  /** The answer does not come over the socket. */
  release(): void {
    if (!this.#isOver) this.#finish(false);
  }

  abort(): void {
    if (!this.#isOver) this.#finish(true);
  }

  #finish(isLeft: boolean): void {
    this.#isOver = true;
    this.#isPaused = false;
    this.#carrier.onTurnOver(this, isLeft);
  }
}

function noBase64(): ChatError {
  return new ChatError(
    'upstream_protocol_error',
    'The backend sent a part of its answer over the web socket that is no base64.',
  );
}
