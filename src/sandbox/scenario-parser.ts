import { isObject, type JsonObject } from './json-shape.ts';
import { REFUSAL_NAMES } from './refusals.ts';
import {
  ARKOSE_MODELS,
  ARKOSE_REPLIES,
  CHUNKINGS,
  ENCODINGS,
  ERROR_FORMS,
  FILE_IDS,
  FINISHES,
  FLOWS,
  GARBAGE_KINDS,
  LINE_ENDS,
  LINKS,
  OAUTH_REPLIES,
  PERSONAS,
  PLACES,
  TRANSPORTS,
  type Scenario,
} from './scenario.ts';

/** What a value must be, in words, and whether it is. */
interface Rule {
  readonly wants: string;
  readonly accepts: (value: unknown) => boolean;
}

const flag: Rule = { wants: 'true or false', accepts: (value) => typeof value === 'boolean' };
const text: Rule = { wants: 'a text', accepts: (value) => typeof value === 'string' };
const count: Rule = {
  wants: 'a whole number, 0 or more',
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};
const positive: Rule = {
  wants: 'a whole number, 1 or more',
  accepts: (value) => count.accepts(value) && value !== 0,
};
const hexDigits: Rule = {
  wants: 'lower-case hex digits',
  accepts: (value) => typeof value === 'string' && /^[0-9a-f]{1,128}$/.test(value),
};
const answer: Rule = {
  wants: 'a text or a list of texts',
  accepts: (value) => text.accepts(value) || (Array.isArray(value) && value.every(text.accepts)),
};
const script: Rule = {
  wants: 'a list of {"message": {...}} and {"event": ...}, each with "only" and "paced" if need be',
  accepts: (value) => Array.isArray(value) && value.every(isScriptEntry),
};
const chunking: Rule = {
  wants: `one of ${CHUNKINGS.join(', ')}, or {"size": n}`,
  accepts: (value) =>
    isObject(value)
      ? Object.keys(value).length === 1 && positive.accepts(value['size'])
      : CHUNKINGS.some((known) => known === value),
};

const RULES: Readonly<Record<keyof Scenario, Rule>> = {
  at: oneOf(PLACES),
  times: orNull(positive),
  token: orNull(text),
  error: orNull(oneOf(REFUSAL_NAMES)),
  clearsInS: count,
  resetBeforeHeaders: flag,
  headersDelayMs: count,
  visitors: flag,
  accountConcurrency: orNull(positive),
  oauthReply: oneOf(OAUTH_REPLIES),
  accessTokenLifetimeS: count,
  rotateRefreshTokens: flag,
  persona: orNull(oneOf(PERSONAS)),
  difficulty: hexDigits,
  proofRequired: flag,
  arkoseRequired: flag,
  arkoseModels: oneOf(ARKOSE_MODELS),
  arkoseReply: oneOf(ARKOSE_REPLIES),
  turnstileRequired: flag,
  forceLogin: flag,
  checkSentinel: flag,
  servedModel: orNull(text),
  flow: orNull(oneOf(FLOWS)),
  drawingMs: orNull(count),
  script: orNull(script),
  answer: orNull(answer),
  emptyAnswer: flag,
  finish: oneOf(FINISHES),
  onlyFinishedMessage: flag,
  moderationBlocked: flag,
  tokensPerEvent: orNull(positive),
  indexPolls: count,
  fileIds: oneOf(FILE_IDS),
  links: oneOf(LINKS),
  transport: oneOf(TRANSPORTS),
  maxUnacked: positive,
  dropSocketAfterEvents: orNull(count),
  foreignFrames: flag,
  encoding: orNull(oneOf(ENCODINGS)),
  contentType: text,
  firstEventDelayMs: count,
  eventDelayMs: count,
  pings: flag,
  pingIntervalMs: count,
  chunking,
  lineEnd: oneOf(LINE_ENDS),
  cutAfterEvents: orNull(count),
  cutMidEvent: orNull(count),
  endAfterEvents: orNull(count),
  endWithoutDone: flag,
  stallAfterEvents: orNull(count),
  errorEventAfter: orNull(count),
  errorEventText: text,
  errorEventForm: oneOf(ERROR_FORMS),
  garbageAfter: orNull(count),
  garbage: oneOf(GARBAGE_KINDS),
};

export type ParsedScenarios =
  | { readonly ok: true; readonly scenarios: readonly Scenario[] }
  | { readonly ok: false; readonly problem: string };

/** One scenario, or a list of them to be used in order; fields left out are taken from `defaults`. */
export function parseScenarios(input: unknown, defaults: Scenario): ParsedScenarios {
  const items: readonly unknown[] = Array.isArray(input) ? input : [input];
  const scenarios: Scenario[] = [];
  for (const item of items) {
    if (!isObject(item)) return { ok: false, problem: 'a scenario is a JSON object' };
    const problem = findProblem(item);
    if (problem !== null) return { ok: false, problem };
    scenarios.push({ ...defaults, ...(item as Partial<Scenario>) });
  }
  return { ok: true, scenarios };
}

function findProblem(item: JsonObject): string | null {
  for (const [field, value] of Object.entries(item)) {
    if (!Object.hasOwn(RULES, field)) return `unknown field "${field}"`;
    const rule = RULES[field as keyof Scenario];
    if (!rule.accepts(value)) return `"${field}" must be ${rule.wants}`;
  }
  return null;
}

function isScriptEntry(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { message, event, only, paced, ...others } = value;
  if (Object.keys(others).length > 0 || (message === undefined) === (event === undefined)) return false;
  const fits = only === undefined || ENCODINGS.some((encoding) => encoding === only);
  return fits && (paced === undefined || flag.accepts(paced)) && (message === undefined || isObject(message));
}

function oneOf(names: readonly string[]): Rule {
  return { wants: `one of ${names.join(', ')}`, accepts: (value) => names.some((name) => name === value) };
}

function orNull(rule: Rule): Rule {
  return { wants: `${rule.wants}, or null`, accepts: (value) => value === null || rule.accepts(value) };
}
