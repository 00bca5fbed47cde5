import type { Conversation } from './conversation-store.ts';
import { toPointer } from './files/file-store.ts';
import type { MadeFile } from './flows/scene.ts';
import { drawPicture } from './picture.ts';
import { findMentions } from './raw-script.ts';
import type { ScriptEntry } from './scenario.ts';
import type { World } from './world.ts';

/** Keeps a file that a turn made for the owner of its conversation, and returns the pointer to it. */
export function keepFile(world: World, conversation: Conversation, file: MadeFile, id?: string): string {
  const made = id ?? `${file.scheme === 'sediment' ? 'file_' : 'file-'}${world.random.hex(24)}`;
  world.files.add({
    id: made,
    owner: conversation.owner,
    name: file.name,
    useCase: null,
    declaredBytes: file.bytes.length,
    conversationId: conversation.id,
    sandboxPath: file.sandboxPath,
    createdAtMs: world.now(),
    mimeType: file.mimeType,
    bytes: file.bytes,
    uploaded: true,
    polls: 0,
  });
  return toPointer(made);
}

/** Gives every image and path that a scenario's script mentions some bytes. */
export function keepMentions(
  world: World,
  conversation: Conversation,
  entries: readonly ScriptEntry[],
): void {
  const { images, paths } = findMentions(entries);
  for (const { pointer, width, height } of images) {
    const bytes = drawPicture(pointer, width, height);
    const id = pointer.replace(/^[a-z-]+:\/\//, '');
    const file = {
      name: 'picture.png',
      mimeType: 'image/png',
      bytes,
      scheme: 'sediment',
      sandboxPath: null,
    } as const;
    keepFile(world, conversation, file, id);
  }
  for (const sandboxPath of paths) {
    const name = sandboxPath.split('/').at(-1) ?? 'file';
    const bytes = Buffer.from(`the bytes of ${name}\n`);
    keepFile(world, conversation, {
      name,
      mimeType: 'application/octet-stream',
      bytes,
      scheme: 'file-service',
      sandboxPath,
    });
  }
}
