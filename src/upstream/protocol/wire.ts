/**
 * What the backend sends, as loosely as it must be read: every field may be absent or of another
 * type than expected. Types only; reading them is the decoders' work.
 */

/** A message as far as it is known: the legacy stream repeats it, the v1 stream patches it. */
export interface WireMessage {
  readonly id?: unknown;
  readonly author?: { readonly role?: unknown; readonly name?: unknown };
  readonly content?: {
    readonly content_type?: unknown;
    readonly parts?: unknown;
    readonly text?: unknown;
  };
  readonly status?: unknown;
  readonly end_turn?: unknown;
  readonly weight?: unknown;
  readonly metadata?: WireMetadata;
  readonly recipient?: unknown;
  readonly channel?: unknown;
}

export interface WireMetadata {
  readonly finish_details?: { readonly type?: unknown };
  readonly is_visually_hidden_from_conversation?: unknown;
  readonly model_slug?: unknown;
}

/** One event of a legacy stream, and the root of a v1 document. */
export interface WireEnvelope {
  readonly message?: WireMessage | null;
  readonly conversation_id?: unknown;
  readonly error?: unknown;
  readonly error_code?: unknown;
}

/** A typed event beside the messages: titles, markers, moderation. */
export interface WireControl {
  readonly type?: unknown;
  /** An error body that slipped into a stream. */
  readonly detail?: unknown;
  readonly moderation_response?: { readonly blocked?: unknown; readonly flagged?: unknown };
}

/** One frame of a v1 stream. `c`, `p` and `o` are carried over from the frame before when absent. */
export interface WireDelta {
  readonly c?: unknown;
  readonly p?: unknown;
  readonly o?: unknown;
  readonly v?: unknown;
}
