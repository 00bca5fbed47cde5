import { composeAnswer } from '../answers.ts';
import { cutIntoPieces } from '../pieces.ts';
import type { JsonObject } from '../json-shape.ts';
import type { Message, Step } from '../script.ts';
import type { Flow } from './flow.ts';
import { begin, beginTool, grow, handOver, show, toText, type Scene } from './scene.ts';

interface Thought {
  readonly summary: string;
  readonly content: string;
}

const THOUGHTS: readonly Thought[] = [
  {
    summary: 'Reading the question',
    content: 'The question has two halves, and the second depends on the first.',
  },
  { summary: 'Weighing the answers', content: 'Both would do; the shorter one says all that is needed.' },
];
const SECONDS = 4;

/** Thoughts, an aside on the analysis channel, how long it took, then the answer on the final one. */
export const THINKING: Flow = { before: think, answer: concludeFrom, channel: 'final' };

/** The reasoning of 2024: a tool whose growing text is the summary. */
export const TOOL_THINKING: Flow = { before: thinkAsTool, answer: concludeFrom };

function* think(scene: Scene): Generator<Step> {
  const message = begin(scene, { content: toThoughts([]) });
  yield show(message);
  let last = message;
  for (const [index, thought] of THOUGHTS.entries()) {
    for (const revision of growThought(message, THOUGHTS.slice(0, index), thought)) {
      yield show(revision, true);
      last = revision;
    }
  }
  yield show(handOver(last));
  const aside = begin(scene, { channel: 'analysis' });
  yield* grow(aside, cutIntoPieces('So the short answer it is.', 2), toText);
  const recap = { content_type: 'reasoning_recap', content: `Thought for ${SECONDS} seconds` };
  yield show(handOver(begin(scene, { content: recap })));
}

function* growThought(
  message: Message,
  before: readonly Thought[],
  { summary, content }: Thought,
): Generator<Message> {
  let said = '';
  for (const piece of cutIntoPieces(content, 2)) {
    said += piece;
    yield { ...message, content: toThoughts([...before, { summary, content: said }]) };
  }
}

function toThoughts(thoughts: readonly Thought[]): JsonObject {
  return { content_type: 'thoughts', thoughts, source_analysis_msg_id: null };
}

function* thinkAsTool(scene: Scene): Generator<Step> {
  const tool = beginTool(scene, 'a8km123', { metadata: { initial_text: 'Thinking' } });
  const summary = THOUGHTS.map((thought) => `**${thought.summary}**\n\n${thought.content}`).join('\n\n');
  const last = { finished_text: `Thought for ${SECONDS} seconds`, finished_duration_sec: SECONDS };
  yield* grow(tool, cutIntoPieces(summary, 3), toText, last);
}

function concludeFrom(prompt: string): readonly string[] {
  return [composeAnswer(prompt)];
}
