/** Why an answer ended, in OpenAI's words. */
export type EndReason = 'stop' | 'length' | 'content_filter';

/** The backend began to answer; comes once, before any other event of the turn. */
export interface TurnStart {
  readonly type: 'turn-start';
  readonly conversationId: string | null;
  readonly messageId: string | null;
  /** The model that answers, when upstream names it. */
  readonly modelSlug: string | null;
}

/** The answer goes on in another message, after whose id a client asks on; never before turn-start. */
export interface MessageStart {
  readonly type: 'message-start';
  readonly conversationId: string | null;
  readonly messageId: string | null;
}

/** More text of the answer, free of upstream's markers; never empty. */
export interface TextDelta {
  readonly type: 'text-delta';
  readonly text: string;
}

/** More of what the model thinks before it answers; never empty. */
export interface ReasoningDelta {
  readonly type: 'reasoning-delta';
  readonly text: string;
}

/** The visible answer goes on in another message: what follows is a paragraph of its own. */
export interface MessageBreak {
  readonly type: 'message-break';
}

/** Code that a tool is given, or what it printed: start, deltas, end, never nested. */
export interface BlockStart {
  readonly type: 'block-start';
  readonly kind: 'code' | 'output';
  /** Lower case, such as `python`; null: unknown. */
  readonly language: string | null;
}
export interface BlockDelta {
  readonly type: 'block-delta';
  readonly text: string;
}
export interface BlockEnd {
  readonly type: 'block-end';
}

/** A source, in the place where upstream's marker stood. */
export interface Citation {
  readonly type: 'citation';
  readonly links: readonly { readonly title: string; readonly url: string }[];
}

/** Something that upstream keeps and a client can fetch once it has a link. */
export type Asset =
  | { readonly kind: 'pointer'; readonly pointer: string; readonly conversationId: string | null }
  | {
      readonly kind: 'sandbox';
      /** As in `sandbox:/mnt/data/r.csv`, without the scheme. */
      readonly path: string;
      readonly messageId: string;
      readonly conversationId: string | null;
    };

/** A picture that upstream still draws when its stream has ended. */
export interface PendingDrawing {
  readonly conversationId: string;
  /** The message that says so; null: it has no id. */
  readonly messageId: string | null;
}

/** What such a picture became. */
export interface Drawing {
  /** The last message with a picture in it: the conversation goes on from there. */
  readonly messageId: string | null;
  /** In the order in which they were drawn; never empty. */
  readonly pictures: readonly Asset[];
}

/** An image in the answer. `url` null: upstream gave no link. */
export interface ImageEvent<Link> {
  readonly type: 'image';
  readonly link: Link;
}

/** A file's address within the answer's text, in the place where upstream's own stood. */
export interface FileEvent<Link> {
  readonly type: 'file';
  readonly link: Link;
  /** Shown when there is no link. */
  readonly path: string;
}

/** The answer is complete; comes once and last. A failed turn throws and has no end. */
export interface TurnEnd {
  readonly type: 'turn-end';
  readonly reason: EndReason;
}

type Common =
  | TurnStart
  | MessageStart
  | TextDelta
  | ReasoningDelta
  | MessageBreak
  | BlockStart
  | BlockDelta
  | BlockEnd
  | Citation
  | TurnEnd;

/** As decoded: images and files are still names. */
export type DecodedEvent = Common | ImageEvent<Asset> | FileEvent<Asset>;

/** As sent on: images and files have their links, null where upstream gave none. */
export type TurnEvent = Common | ImageEvent<string | null> | FileEvent<string | null>;
