const FRAMES_PER_ACK = 32;
const ACK_DELAY_MS = 1_000;

/**
 * The reliable protocol's receipt book. The service redelivers after a reconnect what was not
 * acknowledged, and may close a connection that leaves too much open.
 */
export class SequenceAcks {
  readonly #send: (text: string) => void;
  #last = 0;
  #unacknowledged = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** The highest number so far; 0: none. */
  get last(): number {
    return this.#last;
  }

  /** False: a frame that came before. It is acknowledged again, for the first receipt may be lost. */
  take(sequenceId: number): boolean {
    const isNew = sequenceId > this.#last;
    if (isNew) this.#last = sequenceId;
    this.#unacknowledged += 1;
    if (this.#unacknowledged >= FRAMES_PER_ACK) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), ACK_DELAY_MS);
    return isNew;
  }

  flush(): void {
    this.stop();
    if (this.#unacknowledged === 0) return;
    this.#unacknowledged = 0;
    this.#send(JSON.stringify({ type: 'sequenceAck', sequenceId: this.#last }));
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
