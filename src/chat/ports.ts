import type { ChatError } from '../errors.ts';
import type { Asset, Drawing, PendingDrawing, TurnEvent } from '../conversation/events.ts';
import type { Ask, Attachment, Caller, Identity, Turn, UploadedFile } from '../conversation/turn.ts';

export type { Ask, UploadedFile };

/** The identity and the way out under which one attempt talks to the backend. */
export interface Session {
  /** Scheme, host and port of the gateway, without a trailing slash. */
  readonly origin: string;
  readonly identity: Identity;
  /** The account of the pool that serves, by the short hash that may be shown; null: not one of the pool's. */
  readonly account: string | null;
  /** One uuid for all calls of the attempt. */
  readonly deviceId: string;
  /** Names the outbound proxy; opaque here, resolved by the adapter. */
  readonly exit: string;
}

/** A session on loan. `release` is idempotent and must be called however the attempt ends. */
export interface Lease {
  readonly session: Session;
  /** Could another lease for the same caller be on another account? */
  readonly hasOtherAccount: boolean;
  /** Is there a gateway that is well, and that none of the attempts went through? Not given: no. */
  readonly hasOtherGateway?: boolean;
  /** Where the conversation that goes on ended when we last saw it; null: new, or unknown to us. */
  readonly lastMessageId: string | null;
  /** The conversation, so far ended by this message, is kept: with its id the caller finds back to this session. */
  keep(conversationId: string, messageId: string | null): void;
  release(failure: ChatError | null): void;
}

/** What upstream wants to see beside the conversation: answers to its challenges. */
export interface Clearance {
  readonly requirementsToken: string | null;
  readonly proofToken: string | null;
  readonly arkoseToken: string | null;
  /** How the proof was searched, for who learns from the backend's verdict; not given: there is none. */
  readonly search?: 'tail' | 'nonce';
  /** The device that the challenges were answered for, where it is another than the session's. */
  readonly deviceId?: string;
}

/** Receives one upstream stream. Calls come in order: onOpen, onBytes*, then onEnd or onFailure once. */
export interface StreamReader {
  /** Upstream accepted the turn: status 200 and an event stream. Who is given may take all that follows. */
  onOpen(): StreamReader | void;
  /** The chunk belongs to the callee for the duration of the call only. */
  onBytes(chunk: Uint8Array): void;
  onEnd(): void;
  /** Also for failures before `onOpen`; `error` is already classified. */
  onFailure(error: ChatError): void;
}

/** The other direction of the same stream. All idempotent; after `abort` the reader hears nothing more. */
export interface StreamControl {
  /** Ids under which the question's messages were sent: upstream may echo them. */
  readonly askedIds: readonly string[];
  pause(): void;
  resume(): void;
  abort(): void;
}

/** What the spine needs from the world. Adapters implement it; `app.ts` joins them. */
export interface ChatPorts {
  /**
   * `tried`: the sessions of the attempts that failed, which the next one keeps clear of where it can.
   * Rejects with a ChatError when nobody can serve the caller, or with the signal's reason.
   */
  lease(caller: Caller, turn: Turn, tried: readonly Session[], signal: AbortSignal): Promise<Lease>;
  /** May the account use the turn's model? Then requirements, proof of work, Arkose. Rejects with a ChatError or the signal's reason. */
  clear(session: Session, turn: Turn, signal: AbortSignal): Promise<Clearance>;
  /**
   * Uploads one file. Rejects with a ChatError, `invalid_attachment` or `request_too_large` naming the field
   * where the file is at fault, or with the signal's reason.
   */
  attach(session: Session, attachment: Attachment, signal: AbortSignal): Promise<UploadedFile>;
  /** Starts the conversation call; everything that happens is told to `reader`. */
  converse(session: Session, ask: Ask, clearance: Clearance, reader: StreamReader): StreamControl;
  /**
   * Waits until upstream has drawn what it announced; null: it cannot be had. Rejects only with the
   * signal's reason.
   */
  drawing(session: Session, pending: PendingDrawing, signal: AbortSignal): Promise<Drawing | null>;
  /** A URL that works for the client, or null when upstream gives none. Rejects only with the signal's reason. */
  link(session: Session, asset: Asset, signal: AbortSignal): Promise<string | null>;
}

/**
 * The slugs of the models that the caller's own account has; null: no account, or no list to be had.
 * Rejects only with the signal's reason.
 */
export type OwnModels = (caller: Caller, signal: AbortSignal) => Promise<readonly string[] | null>;

/** Where the events of one turn go. Owned by the edge, which encodes them for the client. */
export interface TurnSink {
  /** True once a byte has left for the client: from then on nothing is retried. */
  readonly committed: boolean;
  /** True when the client has all that it asked for (`stop`, `max_tokens`): upstream can be closed. */
  readonly satisfied: boolean;
  /** Upstream accepted the turn and keeps to it; the answer may take long, so headers can leave. */
  accepted(): void;
  /** False: the client reads slower than we write; stop until `onDrain`'s callback runs. */
  write(event: TurnEvent): boolean;
  /** One listener; called when writing may go on after `write` returned false. */
  onDrain(listener: () => void): void;
}

/** When each phase of a request ended, in ms since `startedAt`; null: never reached. For the log line. */
export interface Trace {
  readonly startedAt: number;
  attempts: number;
  leasedMs: number | null;
  /** Challenges answered and files uploaded. */
  clearedMs: number | null;
  openedMs: number | null;
  firstTextMs: number | null;
}

/**
 * One chat turn from question to end: the spine, as the edge sees it. `scope` ends with the client; the
 * turn's own deadline ends it too, for all the turns that share it. One for both: a signal costs 10 us.
 */
export type CompleteTurn = (
  turn: Turn,
  caller: Caller,
  sink: TurnSink,
  scope: AbortController,
  trace: Trace,
) => Promise<void>;
