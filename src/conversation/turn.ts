/** What an account of the backend's signs in with. A refresh token is exchanged for access tokens. */
export interface Credential {
  readonly kind: 'access' | 'refresh';
  readonly token: string;
  /** A team workspace of the account; null: its own. */
  readonly accountId: string | null;
}

/** Who asks us: anybody, somebody with an account of their own, or the holder of a key that the operator issued. */
export type Caller =
  | { readonly kind: 'visitor' }
  | { readonly kind: 'own'; readonly credential: Credential }
  | {
      readonly kind: 'key';
      /** Tells keys apart without showing them. */
      readonly keyId: string;
      /** The workspace that the client wants to work in, whichever account serves. */
      readonly accountId: string | null;
    };

/** As whom we talk to the backend: an account by its access token, or an anonymous visitor (`token` null). */
export interface Identity {
  readonly token: string | null;
  readonly accountId: string | null;
}

export type Role = 'system' | 'user' | 'assistant' | 'tool';

/** A file that the client shows to the model. Compared by identity. */
export interface Attachment {
  /** Base64 as the client sent it, or an http(s) URL still to be fetched. */
  readonly source:
    | { readonly kind: 'base64'; readonly base64: string }
    | { readonly kind: 'url'; readonly url: string };
  /** As the client named it; null: to be found out. */
  readonly mimeType: string | null;
  readonly name: string | null;
  /** The client asked for the cheap look at an image; only the count of tokens depends on it. */
  readonly lowDetail: boolean;
  /** The request field that it came from, for errors. */
  readonly param: string;
}

export type MessagePart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'attachment'; readonly attachment: Attachment };

export interface TurnMessage {
  readonly role: Role;
  /** In the client's order; neighbouring texts are joined already. */
  readonly parts: readonly MessagePart[];
}

export interface TurnModel {
  /** The backend's own name of the model. */
  readonly slug: string;
  /** A custom GPT (`g-...`) to talk to, or null. */
  readonly gizmoId: string | null;
}

/** One question to the backend and everything that it depends on. */
export interface Turn {
  readonly model: TurnModel;
  /** The whole dialogue so far, oldest first; the last one is answered. */
  readonly messages: readonly TurnMessage[];
  /** False: a temporary chat, which the backend forgets. */
  readonly keepHistory: boolean;
  readonly conversationId: string | null;
  readonly parentMessageId: string | null;
  /** What the site's buttons would ask for: `picture_v2` draws. */
  readonly hints: readonly string[];
}

/** A file as the backend knows it. Width and height: of images only. */
export interface UploadedFile {
  readonly id: string;
  readonly name: string;
  readonly mimeType: string;
  readonly sizeBytes: number;
  readonly width: number | null;
  readonly height: number | null;
}

/** What one call asks. `continued`: the answer that upstream cut and shall go on with. */
export interface Ask {
  readonly turn: Turn;
  readonly uploads: ReadonlyMap<Attachment, UploadedFile>;
  readonly continued: { readonly conversationId: string; readonly messageId: string } | null;
}
