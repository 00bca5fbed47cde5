import { LIVE, Visit } from './visit.ts';
import type { Manner, VisitEnd } from './visit.ts';
import { PLAIN } from './script.ts';

/** A kind of client, how often it comes, and how its visits may end. */
interface Kind {
  readonly name: string;
  readonly weight: number;
  readonly manner: (random: () => number) => Manner;
  readonly ends: readonly VisitEnd[];
}

const PACED = { ...PLAIN, events: 20, everyMs: 40 };
const SLOW_ANSWER = { ...PLAIN, events: 10, everyMs: 50, startAfterMs: 300 };
const LONG = { ...PLAIN, events: 400, characters: 4_000 };

const KINDS: readonly Kind[] = [
  {
    name: 'stream, v1',
    weight: 20,
    manner: (random) => ({ ...LIVE, script: PACED, token: someToken(random) }),
    ends: ['complete'],
  },
  {
    name: 'stream, legacy',
    weight: 15,
    manner: (random) => ({ ...LIVE, script: { ...PACED, encoding: 'legacy' }, token: someToken(random) }),
    ends: ['complete'],
  },
  {
    name: 'stream with usage',
    weight: 10,
    manner: () => ({ ...LIVE, script: { ...PLAIN, events: 50 }, includeUsage: true }),
    ends: ['complete'],
  },
  {
    name: 'whole answer',
    weight: 15,
    manner: () => ({ ...LIVE, script: { ...PLAIN, events: 30 }, stream: false }),
    ends: ['complete'],
  },
  {
    name: 'leaves before the head or queued',
    weight: 10,
    manner: (random) => ({ ...LIVE, script: SLOW_ANSWER, leaveAfterMs: Math.ceil(random() * 250) }),
    ends: ['left'],
  },
  {
    name: 'leaves mid-stream',
    weight: 15,
    manner: (random) => ({ ...LIVE, script: SLOW_ANSWER, leaveAfterMs: 300 + Math.ceil(random() * 450) }),
    ends: ['left', 'complete'],
  },
  {
    name: 'backend resets',
    weight: 8,
    manner: (random) => ({
      ...LIVE,
      script: { ...PACED, events: 2 + Math.floor(random() * 10), ending: 'reset' },
    }),
    ends: ['cut', 'refused'],
  },
  {
    name: 'slow reader',
    weight: 3,
    manner: () => ({ ...LIVE, script: LONG, reading: 'slow' }),
    ends: ['complete'],
  },
  {
    name: 'stops reading and leaves',
    weight: 3,
    manner: (random) => ({
      ...LIVE,
      script: LONG,
      reading: 'stopped',
      leaveAfterMs: 500 + Math.ceil(random() * 2_000),
    }),
    ends: ['left'],
  },
];

const OVERLOADED = 503;
/** Under this name in the tally. */
export const TURNED_AWAY = 'turned away: 503';

/** Clients of all kinds, one chat after the other each. What no good server would do is noted. */
export class Mix {
  readonly tally: Record<string, number> = {};
  readonly wrong: string[] = [];
  readonly #port: number;
  readonly #random: () => number;
  #running = 0;
  #isEnding = false;
  #onEmpty: (() => void) | null = null;

  constructor(port: number, seed: number) {
    this.#port = port;
    this.#random = seeded(seed);
  }

  start(count: number): void {
    for (let started = 0; started < count; started += 1) this.#next();
  }

  end(): Promise<void> {
    this.#isEnding = true;
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#onEmpty = resolve));
  }

  #next(): void {
    this.#running += 1;
    const kind = this.#draw();
    const manner = kind.manner(this.#random);
    new Visit(this.#port, manner, {
      onText: () => undefined,
      onEnd: (end, status) => {
        this.#note(kind, end, status);
        this.#running -= 1;
        if (!this.#isEnding) setImmediate(() => this.#next());
        else if (this.#running === 0) this.#onEmpty?.();
      },
    });
  }

  #draw(): Kind {
    const total = KINDS.reduce((sum, { weight }) => sum + weight, 0);
    let at = this.#random() * total;
    return KINDS.find(({ weight }) => (at -= weight) < 0) ?? (KINDS[0] as Kind);
  }

  /** As it should be, when the machine is busy with others: the server runs late, and says so. */
  #noteTurnedAway(): void {
    this.tally[TURNED_AWAY] = (this.tally[TURNED_AWAY] ?? 0) + 1;
  }

  #note({ name, ends }: Kind, end: VisitEnd, status: number): void {
    if (status === OVERLOADED) return this.#noteTurnedAway();
    this.tally[name] = (this.tally[name] ?? 0) + 1;
    if (!ends.includes(end) && this.wrong.length < 20) this.wrong.push(`${name}: ${end} (${status})`);
  }
}

/** A token in the form of the real ones, or none. */
function someToken(random: () => number): string | null {
  return random() < 0.5 ? null : `eyJhbGciOi.soak-${Math.floor(random() * 1_000)}.x`;
}

/** The same numbers for the same seed: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
