import { drawPicture } from '../picture.ts';
import { cutIntoPieces } from '../pieces.ts';
import type { JsonObject } from '../json-shape.ts';
import type { Step } from '../script.ts';
import type { Flow } from './flow.ts';
import { begin, beginTool, grow, handOver, show, toText, type Scene } from './scene.ts';

const DALLE = 'dalle.text2im';
/** The name under which the tool of 2025 hides. */
export const IMAGE_TOOL = 't2uay3k.sj1i4kz';
const SIDE = 256;
const MAX_IMAGES = 10;
const SHARES_DONE = [0.25, 0.5, 0.75];

/** The image tool of 2024: no picture is seen before it is finished. */
export const DRAWING: Flow = { before: drawWithDalle, answer: presentPictures };

/** The image tool of 2025: the picture is seen as it grows. */
export const IMAGE_GENERATION: Flow = { before: generate, answer: presentPictures };

function* drawWithDalle(scene: Scene): Generator<Step> {
  const prompt = subjectOf(scene.prompt);
  const asked = JSON.stringify({ prompt, size: `${SIDE}x${SIDE}`, n: countOf(scene.prompt) });
  yield* grow(begin(scene, { recipient: DALLE }), cutIntoPieces(asked, 4), toText);
  const pictures = beginTool(scene, DALLE, {
    content: { content_type: 'multimodal_text', parts: drawAll(scene) },
  });
  yield show(handOver(pictures));
  const advice = `DALL-E displayed ${countOf(scene.prompt)} images. They are plainly visible: do not describe them.`;
  yield show(handOver(beginTool(scene, DALLE, { content: toText(advice) })));
}

function drawAll(scene: Scene): readonly JsonObject[] {
  const prompt = subjectOf(scene.prompt);
  return Array.from({ length: countOf(scene.prompt) }, (_, index) => ({
    ...toPart(draw(scene, `${prompt} ${index}`, 'file-service')),
    fovea: 512,
    metadata: {
      dalle: {
        gen_id: scene.newId(),
        prompt,
        seed: 7 + index,
        parent_gen_id: null,
        edit_op: null,
        serialization_title: 'DALL-E generation metadata',
      },
    },
  }));
}

function* generate(scene: Scene): Generator<Step> {
  const prompt = subjectOf(scene.prompt);
  yield* askForOne(scene, prompt);
  const tool = beginTool(scene, IMAGE_TOOL, {
    metadata: { image_gen_title: prompt, image_gen_task_id: scene.newId(), async_task_type: 'image_gen' },
  });
  for (const share of SHARES_DONE) yield show(withPicture(scene, tool, `${prompt} ${share}`, share), true);
  yield show(handOver(withPicture(scene, tool, prompt, 1)));
}

/** The call of the tool of 2025. */
export function* askForOne(scene: Scene, prompt: string): Generator<Step> {
  const asked = JSON.stringify({ prompt, size: `${SIDE}x${SIDE}`, n: 1 });
  yield* grow(begin(scene, { recipient: IMAGE_TOOL }), cutIntoPieces(asked, 4), toText);
}

export function withPicture(scene: Scene, tool: ReturnType<typeof beginTool>, text: string, share: number) {
  const generation = { gen_id: tool.id, gen_size: 'image', seed: null, height: SIDE * share, width: SIDE };
  const part = {
    ...toPart(draw(scene, text, 'sediment')),
    fovea: null,
    metadata: { dalle: null, generation },
  };
  return { ...tool, content: { content_type: 'multimodal_text', parts: [part] } };
}

interface Drawn {
  readonly pointer: string;
  readonly sizeBytes: number;
}

function draw(scene: Scene, text: string, scheme: 'file-service' | 'sediment'): Drawn {
  const bytes = drawPicture(text, SIDE, SIDE);
  const pointer = scene.keep({
    name: 'picture.png',
    mimeType: 'image/png',
    bytes,
    scheme,
    sandboxPath: null,
  });
  return { pointer, sizeBytes: bytes.length };
}

function toPart({ pointer, sizeBytes }: Drawn): JsonObject {
  return {
    content_type: 'image_asset_pointer',
    asset_pointer: pointer,
    size_bytes: sizeBytes,
    width: SIDE,
    height: SIDE,
  };
}

/** `a cat` of `Please draw me a cat.` */
export function subjectOf(prompt: string): string {
  const asked = /\b(?:draw|paint|sketch)\b(?: me| us)?\s+([^\n.!?]+)/i.exec(prompt)?.[1] ?? prompt;
  return asked.trim().slice(0, 200) || 'a surprise';
}

function countOf(prompt: string): number {
  const asked = Number(/\b(\d{1,2}) (?:images|pictures|drawings)\b/i.exec(prompt)?.[1] ?? 1);
  return Math.min(Math.max(asked, 1), MAX_IMAGES);
}

function presentPictures(prompt: string): readonly string[] {
  const [number, it] = countOf(prompt) === 1 ? ['is', 'it'] : ['are', 'them'];
  return [
    `Here ${number} what you asked for: ${subjectOf(prompt)}. Shall I try ${it} again in another style?`,
  ];
}
