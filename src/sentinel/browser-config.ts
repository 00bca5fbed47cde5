import type { ProofText } from '../threads/tasks.ts';

/** What the backend's script would read from the browser, as far as it stays the same for a page. */
export interface BrowserProfile {
  readonly userAgent: string;
  /** Addresses of the landing page's scripts; may be empty. */
  readonly scripts: readonly string[];
  readonly buildId: string | null;
}

export interface BrowserConfigContext {
  readonly nowMs: () => number;
  /** From 0 inclusive to 1 exclusive. */
  readonly random: () => number;
  readonly newId: () => string;
}

/** An entry of the array; entries 3 and 9 are left out here, they count the tries. */
type Entry = string | number | null;

const HEAP_LIMIT_BYTES = 4294705152;
const CORES = [8, 16, 24, 32] as const;
const SCREENS = [1920 + 1080, 2560 + 1440, 1920 + 1200, 2560 + 1600] as const;
const EASTERN_OFFSET_MS = -5 * 3_600_000;
const MAX_PAGE_AGE_MS = 60_000;
const NAVIGATOR = [
  'webdriver\u2212false',
  'vendor\u2212Google Inc.',
  'cookieEnabled\u2212true',
  'pdfViewerEnabled\u2212true',
  'productSub\u221220030107',
  'onLine\u2212true',
] as const;
const DOCUMENT = ['location', 'body', 'head', 'defaultView', 'activeElement'] as const;
const WINDOW = ['window', 'self', 'document', 'name', 'history', 'navigation', 'screen', 'origin'] as const;

/**
 * The 18 entries that newer pages send, serialised once and cut around the two counters. Verifiers
 * take any length from 13 on; the longer one is what a browser of today would send.
 */
export function browserConfig(profile: BrowserProfile, context: BrowserConfigContext): ProofText {
  const { nowMs, random, newId } = context;
  const pick = <T>(list: readonly T[]): T | null => list[Math.floor(random() * list.length)] ?? null;
  const pageAgeMs = 1_000 + random() * MAX_PAGE_AGE_MS;
  return cutConfig([
    pick(SCREENS),
    toDateText(nowMs()),
    HEAP_LIMIT_BYTES,
    profile.userAgent,
    pick(profile.scripts),
    profile.buildId,
    'en-US',
    'en-US,en',
    pick(NAVIGATOR),
    pick(DOCUMENT),
    pick(WINDOW),
    pageAgeMs,
    newId(),
    '',
    pick(CORES),
    nowMs() - pageAgeMs,
  ]);
}

/** A config without its counters (entries 3 and 9), as the three texts between them. Any length from 9 on. */
export function cutConfig(entries: readonly Entry[]): ProofText {
  const toText = (part: readonly Entry[]): string => JSON.stringify(part).slice(1, -1);
  const head = toText(entries.slice(0, 3));
  const middle = toText(entries.slice(3, 8));
  const tail = toText(entries.slice(8));
  return { search: 'nonce', parts: [`[${head},`, `,${middle},`, `,${tail}]`] };
}

/** `Mon Jul 01 2024 10:00:00 GMT-0500 (Eastern Standard Time)`, as a browser on the east coast prints it. */
function toDateText(ms: number): string {
  const [weekday, day, month, year, time] = new Date(ms + EASTERN_OFFSET_MS)
    .toUTCString()
    .replace(',', '')
    .split(' ');
  return `${weekday} ${month} ${day} ${year} ${time} GMT-0500 (Eastern Standard Time)`;
}
