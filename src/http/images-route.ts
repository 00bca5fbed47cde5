import type { Files } from '../chat/file-ports.ts';
import type { CompleteTurn } from '../chat/ports.ts';
import type { Caller } from '../conversation/turn.ts';
import { ChatError } from '../errors.ts';
import { parseImageRequest } from '../openai/images.ts';
import type { ImageForms, ImageRequest, ImagesBody } from '../openai/images.ts';
import type { Admission } from './admission.ts';
import { ImageSink } from './image-sink.ts';
import { publicBase, toPublicLink } from './public-links.ts';
import type { PublicAddress } from './public-links.ts';
import type { Reply } from './reply.ts';
import type { Route } from './router.ts';
import { newTrace } from './trace.ts';

export interface ImagesRouteOptions {
  readonly admit: Admission;
  readonly complete: CompleteTurn;
  readonly files: Pick<Files, 'read'>;
  readonly address: PublicAddress;
}

/** `POST /v1/images/generations`: a chat that is asked to draw, once per image. */
export function imagesRoute(options: ImagesRouteOptions): Route {
  return {
    method: 'POST',
    path: '/v1/images/generations',
    handler: async (request, reply) => {
      const { caller, body } = await options.admit(request, reply);
      const wanted = parseImageRequest(body);
      const created = Math.floor(Date.now() / 1000);
      const links = await draw(options.complete, wanted, caller, reply);
      const base = publicBase(request, options.address);
      const data = await Promise.all(
        links.map((link) => toImage(options.files, link, wanted.forms, base, reply.signal)),
      );
      reply.json(200, { created, data } satisfies ImagesBody);
    },
  };
}

/** Runs the turns side by side; the first failure ends them all. At least one link. */
async function draw(
  complete: CompleteTurn,
  { turn, n }: ImageRequest,
  caller: Caller,
  reply: Reply,
): Promise<readonly string[]> {
  const turns = new AbortController();
  reply.onClose(() => turns.abort());
  reply.onShutdown((error) => turns.abort(error));
  const drawings = Array.from({ length: n }, () => ({ sink: new ImageSink(), trace: newTrace() }));
  const [first] = drawings;
  // The first drawing speaks for all in the log.
  if (first !== undefined) reply.note({ model: turn.model.slug, trace: first.trace });
  try {
    await Promise.all(drawings.map(({ sink, trace }) => complete(turn, caller, sink, turns, trace)));
  } finally {
    turns.abort();
  }
  const links = drawings.flatMap(({ sink }) => (sink.link === null ? [] : [sink.link]));
  if (links.length === 0) throw noImage(drawings.some(({ sink }) => sink.sawImage));
  return links;
}

async function toImage(
  files: Pick<Files, 'read'>,
  link: string,
  forms: ImageForms,
  base: string,
  signal: AbortSignal,
): Promise<ImagesBody['data'][number]> {
  const bytes = forms.base64 ? await files.read(link, signal) : null;
  return {
    ...(forms.url ? { url: toPublicLink(link, base) } : {}),
    ...(bytes === null ? {} : { b64_json: Buffer.from(bytes).toString('base64') }),
  };
}

function noImage(sawImage: boolean): ChatError {
  return new ChatError(
    'no_image_generated',
    sawImage
      ? 'The backend drew an image but gave no link to it. Try again.'
      : 'The model answered without drawing an image. Say more clearly what to draw, or choose another model.',
    { param: 'prompt' },
  );
}
