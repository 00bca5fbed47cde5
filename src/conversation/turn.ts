/** Who asks: an account by its access token, or an anonymous visitor (`token` null). */
export interface Caller {
  readonly token: string | null;
  /** A team workspace of the account. */
  readonly accountId: string | null;
}

export type Role = 'system' | 'user' | 'assistant' | 'tool';

export interface TurnMessage {
  readonly role: Role;
  readonly text: string;
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
}
