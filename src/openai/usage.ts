import type { TurnMessage } from '../conversation/turn.ts';
import { attachmentTokens } from './attachment-tokens.ts';
import { segmentsOf } from './segments.ts';
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

/** `contentTokens` and `reasoningTokens`: the sums over all choices. Thoughts are part of the completion. */
export function toUsage(promptTokens: number, contentTokens: number, reasoningTokens = 0): Usage {
  const completionTokens = contentTokens + reasoningTokens;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** Characters counted in one go, some milliseconds' worth: others want the thread too. */
const CHARS_PER_TURN = 16 * 1024;

/**
 * The tokens of the question. Prompts may be megabytes long, so `breathe` is awaited again and again
 * to let other work run; when it rejects, so does the count.
 */
export async function countPromptTokens(
  messages: readonly TurnMessage[],
  tokenizer: Tokenizer,
  breathe: () => Promise<void>,
): Promise<number> {
  let tokens = TOKENS_PER_ANSWER;
  let charsInTurn = 0;
  for (const { role, parts } of messages) {
    tokens += TOKENS_PER_MESSAGE + tokenizer.count(role);
    for (const part of parts) {
      if (part.type === 'attachment') tokens += attachmentTokens(part.attachment);
      for (const segment of part.type === 'text' ? segmentsOf(part.text) : []) {
        tokens += tokenizer.count(segment);
        charsInTurn += segment.length;
        if (charsInTurn < CHARS_PER_TURN) continue;
        charsInTurn = 0;
        await breathe();
      }
    }
  }
  return tokens;
}
