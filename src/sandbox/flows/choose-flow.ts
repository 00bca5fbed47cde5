import { composeAnswer } from '../answers.ts';
import { CANVAS, HIDDEN, MEMORY, MODERATION, SECOND_THOUGHTS, TWO_MESSAGES } from './asides.ts';
import { BROWSING } from './browsing.ts';
import { CODE_RUN, PLOT_RUN, TOOL_FAILURE } from './code.ts';
import { DRAWING, IMAGE_GENERATION } from './drawing.ts';
import { LATE_DRAWING } from './late-drawing.ts';
import { nothingBefore, type Flow } from './flow.ts';
import { THINKING, TOOL_THINKING } from './thinking.ts';
import type { FlowName } from '../scenario.ts';

const FLOWS: Readonly<Record<FlowName, Flow>> = {
  text: { before: nothingBefore, answer: (prompt) => [composeAnswer(prompt)] },
  drawing: DRAWING,
  image_generation: IMAGE_GENERATION,
  late_drawing: LATE_DRAWING,
  code: CODE_RUN,
  plot: PLOT_RUN,
  tool_error: TOOL_FAILURE,
  browsing: BROWSING,
  thinking: THINKING,
  tool_thinking: TOOL_THINKING,
  canvas: CANVAS,
  memory: MEMORY,
  hidden: HIDDEN,
  two_messages: TWO_MESSAGES,
  second_thoughts: SECOND_THOUGHTS,
  moderation: MODERATION,
};

/** Asked in order; the first that matches is taken. */
const PROMPTS: readonly (readonly [RegExp, FlowName])[] = [
  [/\brun (?:some |the |a |this )?(?:little )?code that fails\b/i, 'tool_error'],
  [/\brun (?:some |the |a |this )?(?:little )?code\b/i, 'code'],
  [/^\W*(?:please )?plot\b/i, 'plot'],
  [/\b(?:search|browse) the (?:web|internet)\b/i, 'browsing'],
  [/^\W*(?:please )?think (?:hard )?about\b/i, 'thinking'],
  [/\bin (?:a|the) canvas\b/i, 'canvas'],
  [/^\W*(?:please )?remember that\b/i, 'memory'],
  [/\bwhat do you know about me\b/i, 'hidden'],
  [/\bin two messages\b/i, 'two_messages'],
  [/\bchange your mind\b/i, 'second_thoughts'],
  [/\bsomething forbidden\b/i, 'moderation'],
];

const ASKS_TO_DRAW = /^\W*(?:please )?(?:draw|paint|sketch)\b|\bdraw (?:me|us)\b/i;
/** The small model of visitors among them, so that everybody can see it drawn. */
const DRAWS = /^(?:gpt-4|o\d)/;

export interface Wish {
  readonly prompt: string;
  /** The model that answers. */
  readonly model: string;
  readonly hints: readonly string[];
}

/** What the scenario names; else what the prompt and the site's buttons ask for. */
export function chooseFlow(named: FlowName | null, wish: Wish): Flow {
  return FLOWS[named ?? guess(wish)];
}

function guess({ prompt, model, hints }: Wish): FlowName {
  if (hints.includes('picture_v2') || (DRAWS.test(model) && ASKS_TO_DRAW.test(prompt))) return 'drawing';
  if (hints.includes('search')) return 'browsing';
  const name = PROMPTS.find(([asks]) => asks.test(prompt))?.[1] ?? 'text';
  if (name !== 'thinking' && !hints.includes('reason')) return name;
  return model.startsWith('o1') ? 'tool_thinking' : 'thinking';
}
