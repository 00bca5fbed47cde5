import type { Base } from './callers.ts';
import { sendJson, type Handler } from './exchange.ts';
import { admit, passEdge, playError, refuse } from './gate.ts';
import { toTitle } from './turn-writer.ts';
import type { World } from './world.ts';

/**
 * `GET {base}/conversation/{id}`: all that was said, for its owner. Temporary chats can be read too, as their
 * files can be had; a scenario at `reading` makes them unknown.
 */
export function createReadingHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'reading');
    if (scenario === null) return;
    const { owner } = admit(world, exchange, base, false);
    playError(world, scenario, 'reading');
    const conversation = world.conversations.find(exchange.params['id'] ?? '');
    if (conversation === undefined || conversation.owner !== owner)
      return refuse(world, 'conversation_not_found');
    const { mapping, current } = conversation.tree.read(world.now());
    const times = Object.values(mapping).flatMap(({ message }) => message?.create_time ?? []);
    sendJson(exchange.response, 200, {
      title: toTitle(conversation.prompts[0] ?? ''),
      create_time: times[0] ?? null,
      update_time: times.at(-1) ?? null,
      mapping,
      moderation_results: [],
      current_node: current,
      conversation_id: conversation.id,
      is_archived: false,
      default_model_slug: 'auto',
    });
  };
}
