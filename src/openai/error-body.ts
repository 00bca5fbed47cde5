import { ERRORS } from '../errors.ts';
import type { ChatError } from '../errors.ts';

/** The one form in which a failure is told to a client, as a body or as the data of a stream's last frame. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export function toErrorBody(error: ChatError): ErrorBody {
  const { message, param, code } = error;
  return { error: { message, type: ERRORS[code].type, param, code } };
}
