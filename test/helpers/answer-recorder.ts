import type { EndReason } from '../../src/conversation/events.ts';
import type { AnswerOutput } from '../../src/http/choice-sink.ts';

/** Remembers what an answer's client is told, neighbouring texts joined. */
export class AnswerRecorder implements AnswerOutput {
  readonly committed = false;
  readonly writable = true;
  readonly said: [kind: 'text' | 'reasoning' | 'end', text: string][] = [];

  /** Of one kind, in one piece. */
  all(kind: 'text' | 'reasoning'): string {
    return this.said.map(([other, text]) => (other === kind ? text : '')).join('');
  }

  accepted(): void {}
  start(): void {}
  move(): void {}
  text(_index: number, text: string): void {
    this.#add('text', text);
  }
  reasoning(_index: number, text: string): void {
    this.#add('reasoning', text);
  }
  end(_index: number, reason: EndReason): void {
    this.said.push(['end', reason]);
  }
  onDrain(): void {}
  onShutdown(): void {}
  finish(): void {}
  fail(): void {}

  #add(kind: 'text' | 'reasoning', text: string): void {
    const last = this.said.at(-1);
    if (last?.[0] === kind) last[1] += text;
    else this.said.push([kind, text]);
  }
}
