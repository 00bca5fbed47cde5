import type { TurnMessage } from '../conversation/turn.ts';
import { segmentLength } from './segments.ts';
import type { Tokenizer } from './tokenizer.ts';

/** OpenAI's rule: each message is framed by three tokens, and three more open the answer. */
const TOKENS_PER_MESSAGE = 3;
const TOKENS_PER_ANSWER = 3;

/** `usage` as the real API has it; the details it knows and a web chat does not are 0. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number; readonly audio_tokens: number };
  readonly completion_tokens_details: {
    readonly reasoning_tokens: number;
    readonly audio_tokens: number;
    readonly accepted_prediction_tokens: number;
    readonly rejected_prediction_tokens: number;
  };
}

/** `completionTokens`: the sum over all choices. */
export function toUsage(promptTokens: number, completionTokens: number): Usage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

export function countPromptTokens(messages: readonly TurnMessage[], tokenizer: Tokenizer): number {
  let tokens = TOKENS_PER_ANSWER;
  for (const { role, text } of messages) {
    tokens += TOKENS_PER_MESSAGE + tokenizer.count(role) + countTokens(text, tokenizer);
  }
  return tokens;
}

/** Counts a text of any length in time that grows with its length only. */
export function countTokens(text: string, tokenizer: Tokenizer): number {
  let tokens = 0;
  let rest = text;
  for (let length = segmentLength(rest); length > 0; length = segmentLength(rest)) {
    tokens += tokenizer.count(rest.slice(0, length));
    rest = rest.slice(length);
  }
  return tokens + tokenizer.count(rest);
}
