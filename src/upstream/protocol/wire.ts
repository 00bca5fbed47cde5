/**
 * What the backend sends, as loosely as it must be read: every field may be absent or of another
 * type than expected. Types only; reading them is the decoders' work.
 */

/** A message as far as it is known: the legacy stream repeats it, the v1 stream patches it. */
export interface WireMessage {
  readonly id?: unknown;
  readonly author?: { readonly role?: unknown; readonly name?: unknown };
  readonly content?: WireContent;
  readonly status?: unknown;
  readonly end_turn?: unknown;
  readonly weight?: unknown;
  readonly metadata?: WireMetadata;
  readonly recipient?: unknown;
  readonly channel?: unknown;
}

/** Which of the fields are there depends on the type: texts have parts, code has text, thoughts have thoughts. */
interface WireContent {
  readonly content_type?: unknown;
  readonly parts?: unknown;
  readonly text?: unknown;
  readonly language?: unknown;
  /** Of a `system_error`. */
  readonly name?: unknown;
  readonly thoughts?: unknown;
  /** Of a `reasoning_recap`. */
  readonly content?: unknown;
}

export interface WireMetadata {
  readonly finish_details?: { readonly type?: unknown };
  readonly is_visually_hidden_from_conversation?: unknown;
  readonly model_slug?: unknown;
  /** Say what the markers of a legacy text stand for: WireCitation[]. */
  readonly citations?: unknown;
  /** Say what the markers of newer texts stand for: WireReference[]. */
  readonly content_references?: unknown;
  readonly aggregate_result?: { readonly messages?: unknown };
  /** True: the tool draws on after the stream has ended. */
  readonly image_gen_async?: unknown;
  /** What a reasoning tool shows while it works, and when it is done. */
  readonly initial_text?: unknown;
  readonly finished_text?: unknown;
}

/** A source and where its marker stands in the text, in code points. */
export interface WireCitation {
  readonly start_ix?: unknown;
  readonly end_ix?: unknown;
  readonly invalid_reason?: unknown;
  readonly metadata?: { readonly title?: unknown; readonly url?: unknown };
}

/** Sources and the marker that they replace. */
export interface WireReference {
  readonly type?: unknown;
  readonly matched_text?: unknown;
  readonly start_idx?: unknown;
  /** Ready-made text for the marker's place. */
  readonly alt?: unknown;
  readonly items?: unknown;
  readonly title?: unknown;
  readonly url?: unknown;
}

/** An item of `parts` that is no text, or of an aggregate result's `messages`. */
export interface WireImage {
  readonly content_type?: unknown;
  readonly asset_pointer?: unknown;
  readonly message_type?: unknown;
  readonly image_url?: unknown;
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
