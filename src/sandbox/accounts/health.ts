/** How an account fares, as its name tells. */
export interface Health {
  /** Seconds from the first conversation on for which each is answered with `model_cap`; 0: none. */
  readonly limitedS: number;
  /** Conversations at once; null: any number. */
  readonly concurrency: number | null;
  /** One conversation in three fails with 500. */
  readonly flaky: boolean;
  /** Each conversation waits before it begins. */
  readonly slow: boolean;
}

/** Words that may stand in an access or refresh token; a refresh token passes them on to what it is exchanged for. */
const WORDS = /limited-\d{1,6}|busy|flaky|slow|expired|deactivated|free|team/g;

export function parseHealth(name: string): Health {
  const words = wordsOf(name);
  const limited = words.find((word) => word.startsWith('limited-'));
  return {
    limitedS: Number(limited?.slice('limited-'.length) ?? 0),
    concurrency: words.includes('busy') ? 1 : null,
    flaky: words.includes('flaky'),
    slow: words.includes('slow'),
  };
}

export function wordsOf(name: string): readonly string[] {
  return name.match(WORDS) ?? [];
}

/** The plan that an account with such a name has bought. */
export function planOf(name: string): 'free' | 'team' | 'plus' {
  const words = wordsOf(name);
  if (words.includes('free')) return 'free';
  return words.includes('team') ? 'team' : 'plus';
}
