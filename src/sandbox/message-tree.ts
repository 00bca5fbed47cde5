import type { Message } from './script.ts';

/** One place of the tree, as the backend shows it. The root has no message. */
export interface MessageNode {
  readonly id: string;
  message: Message | null;
  readonly parent: string | null;
  readonly children: string[];
}

/** What was said in a conversation: messages that follow each other, with a branch for every second thought. */
export interface MessageTree {
  /** The next new message follows this one. */
  moveTo(id: string): void;
  /** Adds a message, or puts its newer revision in its place. */
  put(message: Message): void;
  /** The same for a message that nobody sees before `atMs`. */
  putLater(message: Message, atMs: number): void;
  /** All that can be seen at `nowMs`, and the end of the latest branch. */
  read(nowMs: number): { readonly mapping: Readonly<Record<string, MessageNode>>; readonly current: string };
}

export function createMessageTree(rootId: string): MessageTree {
  const nodes = new Map<string, MessageNode>();
  let current = rootId;
  let late: { readonly message: Message; readonly atMs: number }[] = [];

  const add = (id: string, message: Message | null, parent: string | null): void => {
    nodes.set(id, { id, message, parent, children: [] });
    if (parent !== null) nodes.get(parent)?.children.push(id);
    current = id;
  };
  const put = (message: Message): void => {
    const known = nodes.get(message.id);
    if (known === undefined) return add(message.id, message, current);
    known.message = message;
    current = message.id;
  };
  add(rootId, null, null);

  return {
    moveTo(id) {
      if (nodes.has(id)) current = id;
    },
    put,
    putLater: (message, atMs) => void late.push({ message, atMs }),
    read(nowMs) {
      for (const { message } of late.filter(({ atMs }) => atMs <= nowMs)) put(message);
      late = late.filter(({ atMs }) => atMs > nowMs);
      return { mapping: Object.fromEntries(nodes), current };
    },
  };
}
