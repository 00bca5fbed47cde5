import type { Asset, Drawing, PendingDrawing } from '../../conversation/events.ts';
import { imagesIn } from './images.ts';
import { isRecord, textOr } from './loose.ts';
import { isComplete, kindOf } from './message-kind.ts';
import type { WireMessage } from './wire.ts';

/** A message of a conversation and where it hangs in the tree. */
interface WireNode {
  readonly message?: WireMessage | null;
  readonly parent?: unknown;
}

/**
 * Looks for a drawing in the conversation as the backend keeps it, JSON of
 * `{"mapping":{"<id>":{"message":{},"parent":"<id>"}},"current_node":"<id>"}`. Null: it is not there yet, or
 * the text is none of that.
 */
export function parseDrawing(text: string, pending: PendingDrawing): Drawing | null {
  const conversation = parseRecord(text);
  const tree = toTree(conversation?.['mapping']);
  const end = [pending.messageId, conversation?.['current_node']].find((id) => tree.has(textOr(id, '')));
  const question = questionOf(tree, textOr(end, null));
  const drawn = [...tree]
    .map(([id, node]) => ({ id, pointers: picturesIn(node) }))
    .filter(({ pointers }) => pointers.length > 0)
    .map((picture) => ({ ...picture, path: pathOf(tree, picture.id) }))
    .filter(({ path }) => question === null || path.includes(question))
    .sort((one, other) => one.path.length - other.path.length);
  const last = drawn.at(-1);
  if (last === undefined) return null;
  const pointers = new Set(drawn.flatMap((node) => node.pointers));
  return { messageId: last.id, pictures: [...pointers].map((pointer) => toAsset(pointer, pending)) };
}

function parseRecord(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function toTree(mapping: unknown): ReadonlyMap<string, WireNode> {
  const nodes = isRecord(mapping) ? Object.entries(mapping) : [];
  return new Map(nodes.filter((node): node is [string, WireNode] => isRecord(node[1])));
}

/** Earlier turns have pictures of their own: this turn's hang below its question. */
function questionOf(tree: ReadonlyMap<string, WireNode>, end: string | null): string | null {
  if (end === null) return null;
  return pathOf(tree, end).find((id) => tree.get(id)?.message?.author?.role === 'user') ?? null;
}

/** The message and all above it, itself first. */
function pathOf(tree: ReadonlyMap<string, WireNode>, start: string): readonly string[] {
  const path = new Set<string>();
  for (let id = start; tree.has(id) && !path.has(id); id = textOr(tree.get(id)?.parent, '')) path.add(id);
  return [...path];
}

function picturesIn({ message }: WireNode): readonly string[] {
  const isFinished = isRecord(message) && kindOf(message) === 'pictures' && isComplete(message);
  return isFinished ? imagesIn(message) : [];
}

function toAsset(pointer: string, { conversationId }: PendingDrawing): Asset {
  return { kind: 'pointer', pointer, conversationId };
}
