import type { Citation, TurnEvent } from '../conversation/events.ts';
import { FencedBlock } from './fenced-block.ts';

/** The events that become text of the answer. */
export type ContentEvent = Exclude<
  TurnEvent,
  { type: 'turn-start' | 'message-start' | 'reasoning-delta' | 'turn-end' }
>;

const NO_IMAGE = 'The image could not be loaded.';
const OUTPUT = 'output';

/**
 * An answer as Markdown, event by event. Text passes through; blocks, images and new messages are
 * paragraphs of their own. The blank line after one of them is written when something follows.
 */
export class AnswerRenderer {
  #block: FencedBlock | null = null;
  /** Line breaks at the end of what was written, up to two; a beginning counts as two. */
  #breaks = 2;
  #last = ' ';
  #needsParagraph = false;

  render(event: ContentEvent): string {
    switch (event.type) {
      case 'text-delta':
        return this.#write(event.text);
      case 'message-break':
        this.#needsParagraph = true;
        return '';
      case 'block-start':
        this.#needsParagraph = true;
        this.#block = new FencedBlock(event.kind === 'output' ? OUTPUT : event.language);
        return '';
      case 'block-delta':
        return this.#write(this.#block?.push(event.text) ?? event.text);
      case 'block-end':
        return this.end();
      case 'citation':
        return this.#write(`${/\s/.test(this.#last) ? '' : ' '}${toSources(event.links)}`);
      case 'image':
        return this.#paragraph(event.link === null ? NO_IMAGE : `![image](${toTarget(event.link)})`);
      case 'file':
        return this.#write(event.link === null ? `sandbox:${event.path}` : toTarget(event.link));
    }
  }

  /** No more comes: closes what is open. */
  end(): string {
    const close = this.#block?.close() ?? '';
    this.#block = null;
    const out = this.#write(close);
    this.#needsParagraph = true;
    return out;
  }

  #paragraph(text: string): string {
    this.#needsParagraph = true;
    const out = this.#write(text);
    this.#needsParagraph = true;
    return out;
  }

  #write(text: string): string {
    if (text === '') return '';
    const out = this.#needsParagraph ? '\n'.repeat(2 - this.#breaks) + text : text;
    this.#needsParagraph = false;
    this.#breaks = breaksAfter(out, this.#breaks);
    this.#last = out.charAt(out.length - 1);
    return out;
  }
}

/** Line breaks at the end of `text`, with `before` of them before it. */
function breaksAfter(text: string, before: number): number {
  if (!text.endsWith('\n')) return 0;
  if (text.length === 1) return Math.min(2, before + 1);
  return text.endsWith('\n\n') ? 2 : 1;
}

function toSources(links: Citation['links']): string {
  return `(${links.map(({ title, url }) => `[${toLinkText(title)}](${toTarget(url)})`).join(', ')})`;
}

function toLinkText(title: string): string {
  return title.replace(/[\\[\]`<]/g, '\\$&');
}

/** Nothing in it ends the parentheses early. */
function toTarget(url: string): string {
  return url.replace(/[()\s<>\\]/g, (character) =>
    character === '(' ? '%28' : character === ')' ? '%29' : encodeURIComponent(character),
  );
}
