import type { Step } from '../script.ts';
import { askForOne, IMAGE_TOOL, subjectOf, withPicture } from './drawing.ts';
import type { Flow } from './flow.ts';
import { beginTool, handOver, show, toText, type Scene } from './scene.ts';

/** The image tool of 2025 when it is busy: the stream ends with a promise, the picture comes afterwards. */
export const LATE_DRAWING: Flow = { before: promise, answer: () => [], endsEarly: true };

const PROMISE = 'Your picture is being drawn. It will be shown here as soon as it is ready.';

function* promise(scene: Scene): Generator<Step> {
  const prompt = subjectOf(scene.prompt);
  const task = scene.newId();
  const metadata = {
    image_gen_title: prompt,
    image_gen_task_id: task,
    image_gen_async: true,
    async_task_type: 'image_gen',
    async_task_id: task,
  };
  yield* askForOne(scene, prompt);
  yield show(handOver(beginTool(scene, IMAGE_TOOL, { content: toText(PROMISE), metadata })));
  const tool = beginTool(scene, IMAGE_TOOL, { metadata });
  const message = handOver(withPicture(scene, tool, prompt, 1));
  yield { kind: 'late', message, afterMs: scene.drawingMs };
}
