/**
 * How the stand-in answers one chat. It travels in the question itself, so that thousands of chats can
 * be answered each in its own way.
 */
export interface Script {
  readonly encoding: 'v1' | 'legacy';
  /** Texts that are added to the answer. */
  readonly events: number;
  /** From one to the next; 0: all at once. */
  readonly everyMs: number;
  /** Of each text, at least those of its stamp. */
  readonly characters: number;
  /** Before the answer's head. */
  readonly startAfterMs: number;
  /** What follows the last text; `silence` lasts until the client leaves. */
  readonly ending: 'complete' | 'reset' | 'silence';
}

export const PLAIN: Script = {
  encoding: 'v1',
  events: 10,
  everyMs: 0,
  characters: 20,
  startAfterMs: 0,
  ending: 'complete',
};

const NUMBERS = ['events', 'everyMs', 'characters', 'startAfterMs'] as const;

export function toQuestion(script: Script): string {
  const fields = Object.entries(script).map(([name, value]): [string, string] => [name, String(value)]);
  return `play?${new URLSearchParams(fields).toString()};`;
}

/** `body` is a request that holds the question somewhere. */
export function parseScript(body: string): Script {
  const fields = new URLSearchParams(/play\?([^;]*);/.exec(body)?.[1] ?? '');
  const numbers = NUMBERS.map((name): [string, number] => [name, Number(fields.get(name) ?? PLAIN[name])]);
  return {
    ...PLAIN,
    ...Object.fromEntries(numbers),
    encoding: fields.get('encoding') === 'legacy' ? 'legacy' : 'v1',
    ending: toEnding(fields.get('ending')),
  };
}

function toEnding(name: string | null): Script['ending'] {
  return name === 'reset' || name === 'silence' ? name : 'complete';
}

/** What a text begins with: when it was due, in ms of the wall clock that all processes share. */
export const STAMP = /"content":"(\d{13})/g;
