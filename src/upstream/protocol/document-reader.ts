import type { AnswerFlow, Place } from './answer-flow.ts';
import { Growth } from './growth.ts';
import { JsonTextDecoder } from './json-text.ts';
import { withoutSigns } from './markers.ts';
import { isComplete, textOf } from './message-kind.ts';
import type { MessageReader } from './reader.ts';
import type { WireMessage } from './wire.ts';

const CONTENT = /"(?:content|replacement)"\s*:\s*"/;
/** `document`, or `code/python`. */
const TYPE = /"type"\s*:\s*"([\w/+#.-]{1,40})"/;
const MAX_HEAD_LENGTH = 4096;

/**
 * A text that the model writes onto the canvas: a call whose JSON grows,
 * `{"name":..,"type":..,"content":..}` or `{"updates":[{"pattern":..,"replacement":..}]}`. Shows the
 * contents as they come: documents as text, code and what may be code as a block.
 */
export class DocumentReader implements MessageReader {
  readonly #flow: AnswerFlow;
  readonly #growth = new Growth();
  #type: string | null = null;
  /** JSON between the contents, not yet understood. */
  #head = '';
  #content: JsonTextDecoder | null = null;

  constructor(flow: AnswerFlow) {
    this.#flow = flow;
  }

  get taken(): number {
    return this.#growth.taken;
  }

  read(message: WireMessage, appended: string | null, place: Place): boolean {
    const isLast = isComplete(message);
    let json = this.#growth.take(textOf(message), appended, isLast);
    const isNew = json !== '';
    while (json !== '') json = this.#content === null ? this.#readHead(json) : this.#readContent(json, place);
    if (isLast) this.#flow.endBlockOf(this);
    return isNew;
  }

  release(): void {}

  /** Gives what comes after the head, '' while it is not complete. */
  #readHead(json: string): string {
    this.#head += json;
    this.#type ??= TYPE.exec(this.#head)?.[1] ?? null;
    const begin = CONTENT.exec(this.#head);
    if (begin === null) {
      this.#head = this.#head.slice(-MAX_HEAD_LENGTH);
      return '';
    }
    const rest = this.#head.slice(begin.index + begin[0].length);
    this.#head = '';
    this.#content = new JsonTextDecoder();
    return rest;
  }

  /** Gives what comes after the content, '' while it is not complete. */
  #readContent(json: string, place: Place): string {
    const content = this.#content as JsonTextDecoder;
    const text = withoutSigns(content.push(json));
    if (text !== '') this.#show(text, place);
    if (content.rest === null) return '';
    this.#content = null;
    this.#flow.endBlockOf(this);
    return content.rest;
  }

  #show(text: string, place: Place): void {
    this.#flow.take(this, place);
    if (this.#type === 'document') this.#flow.text(text);
    else this.#flow.block('code', this.#language(), text);
  }

  #language(): string | null {
    return this.#type?.startsWith('code/') === true ? this.#type.slice(5).toLowerCase() : null;
  }
}
