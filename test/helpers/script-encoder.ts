import type { Envelope } from './messages.ts';

/** What messages look like, one state after the other; states of one message share its id. */
export type Script = readonly Envelope[];

/** A number in [0, 1). */
export type Random = () => number;

interface Step {
  p: string;
  o: 'add' | 'replace' | 'append' | 'remove' | 'truncate';
  v?: unknown;
}

/** As the legacy stream tells a script: every state whole. States that only lead on to the next may be missing. */
export function encodeLegacy(script: Script, random: Random): string[] {
  const payloads = script.filter((state, at) => !(leadsOn(state, script[at + 1]) && random() < 0.3));
  return [...payloads.map((state) => JSON.stringify(state)), '[DONE]'];
}

/** As the v1 stream tells it: what changed, in patches or one by one, with what is carried over left out. */
export function encodeV1(script: Script, random: Random): string[] {
  const writer = new FrameWriter(random);
  const documents = new Map<string, { counter: number; state: Envelope }>();
  for (const state of script) {
    const known = documents.get(state.message.id);
    if (known === undefined) {
      documents.set(state.message.id, { counter: documents.size, state });
      writer.frame({ p: '', o: 'add', v: state, c: documents.size - 1 });
      continue;
    }
    writer.steps(known.counter, ordered(diff(known.state, state, '', random)));
    known.state = state;
  }
  return ['"v1"', ...writer.frames, '{"type":"message_stream_complete","conversation_id":"c-1"}', '[DONE]'];
}

/** The second state says all of the first and more of the same message. */
function leadsOn(state: Envelope, next: Envelope | undefined): boolean {
  if (next === undefined || next.message.id !== state.message.id) return false;
  if (state.message['status'] !== 'in_progress') return false;
  return textIn(next).startsWith(textIn(state));
}

function textIn({ message: { content } }: Envelope): string {
  const { parts, text, thoughts } = content as { parts?: string[]; text?: string; thoughts?: unknown };
  // Thoughts are kept: which part of them grew first cannot be seen from a later state.
  return thoughts === undefined ? String(parts?.[0] ?? text ?? '') : `${JSON.stringify(thoughts)}!`;
}

class FrameWriter {
  readonly frames: string[] = [];
  readonly #random: Random;
  #last: { c: number; p: string; o: string } = { c: 0, p: '', o: 'add' };

  constructor(random: Random) {
    this.#random = random;
  }

  frame({ p, o, v, c }: { p: string; o: string; v?: unknown; c: number }): void {
    const last = this.#last;
    const frame: Record<string, unknown> = {};
    if (p !== last.p || this.#random() < 0.3) frame['p'] = p;
    if (o !== last.o || this.#random() < 0.3) frame['o'] = o;
    frame['v'] = v ?? null;
    if (c !== last.c || this.#random() < 0.3) frame['c'] = c;
    this.#last = { c, p, o };
    this.frames.push(JSON.stringify(frame));
  }

  /** One patch, or frame by frame. */
  steps(c: number, steps: readonly Step[]): void {
    if (steps.length > 1 && this.#random() < 0.6) this.frame({ p: '', o: 'patch', v: steps, c });
    else for (const step of steps) for (const piece of this.#pieces(step)) this.frame({ ...piece, c });
  }

  /** A text may come in two halves, also of a character. */
  #pieces(step: Step): Step[] {
    const { o, v } = step;
    if (o !== 'append' || typeof v !== 'string' || v.length < 2 || this.#random() < 0.5) return [step];
    const at = 1 + Math.floor(this.#random() * (v.length - 1));
    return [
      { ...step, v: v.slice(0, at) },
      { ...step, v: v.slice(at) },
    ];
  }
}

/** The state of a message changes last: it says that all the rest is there. */
function ordered(steps: readonly Step[]): Step[] {
  const isLast = ({ p }: Step): boolean => p === '/message/status' || p === '/message/end_turn';
  return [...steps.filter((step) => !isLast(step)), ...steps.filter(isLast)];
}

function diff(from: unknown, to: unknown, p: string, random: Random): Step[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return [];
  if (typeof from === 'string' && typeof to === 'string') return [textStep(from, to, p)];
  if (Array.isArray(from) && Array.isArray(to)) return listSteps(from, to, p, random);
  if (!isMap(from) || !isMap(to)) return [{ p, o: 'replace', v: to }];
  const gone = Object.keys(from).filter((key) => !(key in to));
  return [
    ...gone.map((key): Step => ({ p: `${p}/${key}`, o: 'remove' })),
    ...Object.keys(to).flatMap((key): Step[] =>
      key in from
        ? diff(from[key], to[key], `${p}/${key}`, random)
        : [{ p: `${p}/${key}`, o: 'add', v: to[key] }],
    ),
  ];
}

function textStep(from: string, to: string, p: string): Step {
  if (to.startsWith(from)) return { p, o: 'append', v: to.slice(from.length) };
  if (from.startsWith(to)) return { p, o: 'truncate', v: Array.from(to).length };
  return { p, o: 'replace', v: to };
}

function listSteps(from: readonly unknown[], to: readonly unknown[], p: string, random: Random): Step[] {
  const common = Math.min(from.length, to.length);
  const inside = from.slice(0, common).flatMap((item, at) => diff(item, to[at], `${p}/${at}`, random));
  if (to.length < from.length) return [{ p, o: 'truncate', v: to.length }, ...inside];
  const added = to.slice(common);
  if (added.length === 0) return inside;
  return random() < 0.5
    ? [...inside, { p, o: 'append', v: added }]
    : [...inside, ...added.map((v): Step => ({ p: `${p}/-`, o: 'add', v }))];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
