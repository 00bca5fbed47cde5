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
  /** A random UUID. */
  readonly newId: () => string;
}

/** Of the array; as JSON. */
export type Entry = string | number | null;

const HEAP_LIMIT_BYTES = 4294705152;
const CORES = [8, 16, 24, 32] as const;
const SCREENS = [1920 + 1080, 2560 + 1440, 1920 + 1200, 2560 + 1600] as const;
const EASTERN_OFFSET_MS = -5 * 3_600_000;
const MAX_PAGE_AGE_MS = 60_000;
/** Browsers print what their clock gives, float noise and all; up to here a number keeps its digits. */
const MAX_AGE_DECIMALS = 10;
const NAVIGATOR = [
  'webdriver\u2212false',
  'vendor\u2212Google Inc.',
  'cookieEnabled\u2212true',
  'pdfViewerEnabled\u2212true',
  'productSub\u221220030107',
  'onLine\u2212true',
  'keyboard\u2212[object Keyboard]',
  'permissions\u2212[object Permissions]',
  'serviceWorker\u2212[object ServiceWorkerContainer]',
  'mediaCapabilities\u2212[object MediaCapabilities]',
  'vibrate\u2212function vibrate() { [native code] }',
  'getBattery\u2212function getBattery() { [native code] }',
  'getGamepads\u2212function getGamepads() { [native code] }',
  'registerProtocolHandler\u2212function registerProtocolHandler() { [native code] }',
] as const;
const DOCUMENT = ['location', 'body', 'head', 'defaultView', 'activeElement'] as const;
const WINDOW = [
  'window',
  'self',
  'document',
  'name',
  'history',
  'navigation',
  'screen',
  'origin',
  'customElements',
  'requestIdleCallback',
  'onbeforeinstallprompt',
  'webkitRequestFileSystem',
  'webkitResolveLocalFileSystemURL',
] as const;

const MAX_NONCE = 1_000;
/** More tries than anybody makes. */
const TAIL_DIGITS = 8;
export const MOMENT_AT = 10;
export const AGE_AT = 13;
const ID_AT = 14;

/**
 * The 18 entries that newer pages send, as JSON cut around what the search varies. Verifiers take any length
 * from 13 on; the longer one is what a browser of today would send. Written piece by piece, for each chat
 * has one: serialising the array took 4.6 us, this 2.5.
 */
export function browserConfig(
  profile: BrowserProfile,
  context: BrowserConfigContext,
  search: ProofText['search'],
): ProofText {
  const { random } = context;
  const now = context.nowMs();
  const pageAgeMs = 1_000 + Math.floor(random() * MAX_PAGE_AGE_MS);
  const { userAgent, scripts, buildId } = profile;
  const machine = `${pick(SCREENS, random)},"${toDateText(now)}",${HEAP_LIMIT_BYTES}`;
  const page = `${toJson(userAgent)},${toJson(pick(scripts, random))},${toJson(buildId)},"en-US","en-US,en"`;
  const [navigator, document, window, ageMs] = readMoment(pageAgeMs, random);
  const moment = `"${navigator}","${document}","${window}",${ageMs}`;
  const id = context.newId();
  const timeOrigin = now - pageAgeMs + Math.floor(random() * 10) / 10;
  const tail = `"",${pick(CORES, random)},${timeOrigin}]`;
  if (search === 'nonce') {
    return { search, parts: [`[${machine},`, `,${page},`, `,${moment},"${id}",${tail}`] };
  }
  const nonce = Math.floor(random() * MAX_NONCE);
  const head = `[${machine},${nonce},${page},${nonce >> 1},${moment},"${id.slice(0, -TAIL_DIGITS)}`;
  return { search, parts: [head, `",${tail}`], first: id.slice(-TAIL_DIGITS) };
}

function toJson(text: string | null): string {
  return JSON.stringify(text);
}

/** Entries 10 to 13, which the page's script reads anew each time: three names, and the page's age. */
export function readMoment(pageAgeMs: number, random: () => number): [Entry, Entry, Entry, number] {
  const decimals = Math.floor(random() * (MAX_AGE_DECIMALS + 1));
  const ageMs = Number((Math.floor(pageAgeMs) + random()).toFixed(decimals));
  return [pick(NAVIGATOR, random), pick(DOCUMENT, random), pick(WINDOW, random), ageMs];
}

/** A whole config, cut around the last digits of its id (entry 14), which must end in 8 hex digits. */
export function cutTail(entries: readonly Entry[]): ProofText {
  const id = String(entries[ID_AT]);
  const head = JSON.stringify(entries.slice(0, ID_AT)).slice(0, -1);
  const tail = JSON.stringify(entries.slice(ID_AT + 1)).slice(1);
  const parts = [`${head},"${id.slice(0, -TAIL_DIGITS)}`, `"${tail === ']' ? '' : ','}${tail}`] as const;
  return { search: 'tail', parts, first: id.slice(-TAIL_DIGITS) };
}

function pick<T>(list: readonly T[], random: () => number): T | null {
  return list[Math.floor(random() * list.length)] ?? null;
}

/** One for all chats within a second: it takes 1.5 us. */
const lastDate = { second: Number.NaN, text: '' };

/** `Mon Jul 01 2024 10:00:00 GMT-0500 (Eastern Standard Time)`, as a browser on the east coast prints it. */
function toDateText(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second === lastDate.second) return lastDate.text;
  const [weekday, day, month, year, time] = new Date(ms + EASTERN_OFFSET_MS)
    .toUTCString()
    .replace(',', '')
    .split(' ');
  lastDate.second = second;
  lastDate.text = `${weekday} ${month} ${day} ${year} ${time} GMT-0500 (Eastern Standard Time)`;
  return lastDate.text;
}
