/** A model as the client is told it, and as the backend was asked for it. */
export interface ModelNames {
  readonly reported: string;
  readonly asked: string;
}

const SLUG = /^[\w.:-]{1,100}$/;

/** The `model` of an answer: what was asked for, unless upstream says that another one answers. */
export function toAnswerModel({ reported, asked }: ModelNames, answering: string | null): string {
  return answering === null || answering === asked || !SLUG.test(answering) ? reported : answering;
}
