import type { JsonObject } from './json-shape.ts';
import type { RefusalName } from './refusals.ts';

export const PERSONAS = ['chatgpt-noauth', 'chatgpt-freeaccount', 'chatgpt-paid'] as const;
export type Persona = (typeof PERSONAS)[number];

export const PLACES = [
  'landing',
  'requirements',
  'conversation',
  'models',
  'files',
  'blob',
  'uploaded',
  'file',
  'download',
  'register',
  'reading',
  'oauth',
  'account',
] as const;
/** The endpoints a scenario can strike. */
export type Place = (typeof PLACES)[number];

export const ENCODINGS = ['legacy', 'v1'] as const;
export type Encoding = (typeof ENCODINGS)[number];

export const FINISHES = ['stop', 'max_tokens', 'interrupted'] as const;
export type Finish = (typeof FINISHES)[number];

export const LINE_ENDS = ['lf', 'crlf', 'cr'] as const;
export type LineEnd = (typeof LINE_ENDS)[number];

export const CHUNKINGS = ['whole', 'byte', 'mid-utf8'] as const;
/**
 * How the bytes of a stream are cut into writes. `whole`: one per event; `byte`: one per byte;
 * `mid-utf8`: inside every multi-byte character and between the line ends that close an event;
 * `{size}`: every so many bytes, whatever the event boundaries.
 */
export type Chunking = (typeof CHUNKINGS)[number] | { readonly size: number };

export const FLOWS = [
  'text',
  'drawing',
  'image_generation',
  'late_drawing',
  'code',
  'plot',
  'tool_error',
  'browsing',
  'thinking',
  'tool_thinking',
  'canvas',
  'memory',
  'hidden',
  'two_messages',
  'second_thoughts',
  'moderation',
] as const;
export type FlowName = (typeof FLOWS)[number];

export const TRANSPORTS = ['sse', 'websocket'] as const;
export const FILE_IDS = ['file-service', 'sediment'] as const;
export const LINKS = ['direct', 'session', 'pod_expired', 'missing'] as const;
export const ARKOSE_MODELS = ['all', 'gpt-4'] as const;

export const ARKOSE_REPLIES = ['token', 'empty', 'unsolved', 'garbage', 'status_500'] as const;
export const OAUTH_REPLIES = ['token', 'invalid_grant', 'access_denied', 'garbage', 'status_500'] as const;
export const ERROR_FORMS = ['bare', 'delta'] as const;
export const GARBAGE_KINDS = ['json', 'binary'] as const;

/**
 * One step of a script: a revision of a message, where fields left out are as in the revision
 * before (of the same `id`; without one, of the message before), or any event as it stands.
 */
export type ScriptEntry =
  | { readonly message: JsonObject; readonly only?: Encoding; readonly paced?: boolean }
  | { readonly event: unknown; readonly only?: Encoding };

/** What the sandbox does. Counts of events exclude comments and `[DONE]`; null means never. */
export interface Scenario {
  /** Where `error`, `resetBeforeHeaders` and `headersDelayMs` strike, and whose requests `times` counts. */
  readonly at: Place;
  /** For how many requests at `at`; null until reset. */
  readonly times: number | null;
  /** Only for requests whose Authorization header, or refresh token, contains this text. */
  readonly token: string | null;

  readonly error: RefusalName | null;
  /** `clears_in` of the error `model_cap`. */
  readonly clearsInS: number;
  readonly resetBeforeHeaders: boolean;
  readonly headersDelayMs: number;

  /** False: whoever comes without an account is answered 401. */
  readonly visitors: boolean;
  /** Conversations at once per account, beyond which the answer is `one_message`; null: any number. */
  readonly accountConcurrency: number | null;
  /** What an exchange of a refresh token comes to. */
  readonly oauthReply: (typeof OAUTH_REPLIES)[number];
  readonly accessTokenLifetimeS: number;
  /** Each exchange gives a new refresh token, and the old one is good for nothing. */
  readonly rotateRefreshTokens: boolean;

  /** Null: told by the token. */
  readonly persona: Persona | null;
  readonly difficulty: string;
  readonly proofRequired: boolean;
  readonly arkoseRequired: boolean;
  /** Whose conversations must bring the Arkose token: `gpt-4`, of models with that in their name. */
  readonly arkoseModels: (typeof ARKOSE_MODELS)[number];
  readonly arkoseReply: (typeof ARKOSE_REPLIES)[number];
  readonly turnstileRequired: boolean;
  readonly forceLogin: boolean;
  /** False: a conversation needs no sentinel headers, as behind a relay that adds them. */
  readonly checkSentinel: boolean;

  /** The model that answers; null: the one asked for, or the nearest that the persona may use. */
  readonly servedModel: string | null;
  /** What the turn does besides its answer; null: told by the prompt, and `text` where `answer` is set. */
  readonly flow: FlowName | null;
  /** The flow `late_drawing`: after so long its picture is in the conversation. */
  readonly drawingMs: number | null;
  /** Null: the steps of the flow. */
  readonly script: readonly ScriptEntry[] | null;
  /** The exact answer, or its pieces, one per event; null: composed from the prompt. */
  readonly answer: string | readonly string[] | null;
  readonly emptyAnswer: boolean;
  /** Anything but `stop` ends the answer half-way, and `continue` yields the rest. */
  readonly finish: Finish;
  readonly onlyFinishedMessage: boolean;
  readonly moderationBlocked: boolean;
  /** Null: one, and more for answers so long that a legacy stream would grow beyond reason. */
  readonly tokensPerEvent: number | null;

  /** How many times a file's index is not ready when asked for. */
  readonly indexPolls: number;
  /** Whose ids an upload gets: `file-...` of 2024 or `file_...`. */
  readonly fileIds: (typeof FILE_IDS)[number];
  /** What a download call gives: a link for anybody, one for its session only, or none. */
  readonly links: (typeof LINKS)[number];

  /** `websocket`: the answer is played over the caller's socket. */
  readonly transport: (typeof TRANSPORTS)[number];
  /** The socket is closed with 1008 when more frames than this wait for their acknowledgement. */
  readonly maxUnacked: number;
  /** The socket drops after so many events; the rest waits for the client to come back. */
  readonly dropSocketAfterEvents: number | null;
  /** Before every frame comes one of another conversation. */
  readonly foreignFrames: boolean;

  /** Null: as the request asks; over a web socket `legacy`. */
  readonly encoding: Encoding | null;
  readonly contentType: string;
  readonly firstEventDelayMs: number;
  /** Before every event in which the answer grows. */
  readonly eventDelayMs: number;
  /** A comment before every event. */
  readonly pings: boolean;
  /** A comment whenever nothing was said for so long; 0 never. */
  readonly pingIntervalMs: number;
  readonly chunking: Chunking;
  readonly lineEnd: LineEnd;

  /** The connection dies after so many events. */
  readonly cutAfterEvents: number | null;
  /** The connection dies in the middle of the event after so many. */
  readonly cutMidEvent: number | null;
  /** The body ends cleanly after so many events, without `[DONE]`. */
  readonly endAfterEvents: number | null;
  /** Everything is said but `[DONE]`. */
  readonly endWithoutDone: boolean;
  readonly stallAfterEvents: number | null;
  /** An error event and `[DONE]` after so many events. */
  readonly errorEventAfter: number | null;
  readonly errorEventText: string;
  /** In a delta stream: a root delta, or plain data. */
  readonly errorEventForm: (typeof ERROR_FORMS)[number];
  /** A line no client can read after so many events; the stream goes on behind it. */
  readonly garbageAfter: number | null;
  readonly garbage: (typeof GARBAGE_KINDS)[number];
}

export const DEFAULT_SCENARIO: Scenario = {
  at: 'conversation',
  times: null,
  token: null,
  error: null,
  clearsInS: 9665,
  resetBeforeHeaders: false,
  headersDelayMs: 0,
  visitors: true,
  accountConcurrency: null,
  oauthReply: 'token',
  accessTokenLifetimeS: 864_000,
  rotateRefreshTokens: false,
  persona: null,
  difficulty: '06bf7d',
  proofRequired: true,
  arkoseRequired: false,
  arkoseModels: 'all',
  arkoseReply: 'token',
  turnstileRequired: false,
  forceLogin: false,
  checkSentinel: true,
  servedModel: null,
  flow: null,
  drawingMs: 3_000,
  script: null,
  answer: null,
  emptyAnswer: false,
  finish: 'stop',
  onlyFinishedMessage: false,
  moderationBlocked: false,
  tokensPerEvent: null,
  indexPolls: 1,
  fileIds: 'file-service',
  links: 'direct',
  transport: 'sse',
  maxUnacked: 1_000,
  dropSocketAfterEvents: null,
  foreignFrames: false,
  encoding: null,
  contentType: 'text/event-stream; charset=utf-8',
  firstEventDelayMs: 0,
  eventDelayMs: 15,
  pings: false,
  pingIntervalMs: 15_000,
  chunking: 'whole',
  lineEnd: 'lf',
  cutAfterEvents: null,
  cutMidEvent: null,
  endAfterEvents: null,
  endWithoutDone: false,
  stallAfterEvents: null,
  errorEventAfter: null,
  errorEventText:
    'Our systems have detected unusual activity coming from your system. Please try again later.',
  errorEventForm: 'bare',
  garbageAfter: null,
  garbage: 'json',
};
