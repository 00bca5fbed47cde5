import { cutIntoPieces } from '../pieces.ts';
import type { Step } from '../script.ts';
import { nothingBefore, type Flow } from './flow.ts';
import { begin, beginTool, grow, handOver, show, toCode, toText, type Scene } from './scene.ts';

/** A text document beside the chat. */
export const CANVAS: Flow = {
  before: writeDocument,
  answer: () => ['I have put the text into a document beside our chat.'],
};

/** Something to be remembered in later chats. */
export const MEMORY: Flow = { before: remember, answer: () => ['I will remember that.'] };

/** Messages that nobody is to see. */
export const HIDDEN: Flow = { before: hide, answer: () => ['This is all there is to see.'] };

/** An answer in two messages. */
export const TWO_MESSAGES: Flow = {
  before: (scene) => grow(begin(scene), cutIntoPieces('Let me see what there is.', null), toText),
  answer: () => ['There is nothing more to add.'],
};

/** An answer that takes back what it said. */
export const SECOND_THOUGHTS: Flow = {
  before: nothingBefore,
  answer: () => ['Ice floats on water', { takeBack: 9 }, ', for it is lighter.', { takeBack: 20 }, '.'],
};

/** An answer that is taken away half-way. */
export const MODERATION: Flow = {
  before: nothingBefore,
  answer: () => ['This answer will not be seen to its end, for someone minds what it says.'],
  blocked: true,
};

function* writeDocument(scene: Scene): Generator<Step> {
  const tool = 'canmore.create_textdoc';
  const document = JSON.stringify({ name: 'Draft', type: 'document', content: '# Draft\n\nA first line.' });
  yield* grow(begin(scene, { recipient: tool }), cutIntoPieces(document, 3), toCode('json'));
  const id = scene.newId().replaceAll('-', '');
  const done = `Successfully created text document with textdoc_id: '${id}'`;
  yield show(
    handOver(beginTool(scene, tool, { content: toText(done) }), { canvas: { textdoc_id: id, version: 1 } }),
  );
}

function* remember(scene: Scene): Generator<Step> {
  yield* grow(begin(scene, { recipient: 'bio' }), cutIntoPieces('User likes short answers.', null), toText);
  yield show(handOver(beginTool(scene, 'bio', { content: toText('Model set context updated.') })));
}

function* hide(scene: Scene): Generator<Step> {
  const metadata = { is_visually_hidden_from_conversation: true };
  const user = {
    content_type: 'user_editable_context',
    user_profile: 'The user profile: SECRET-PROFILE',
    user_instructions: 'The user instructions: SECRET-INSTRUCTIONS',
  };
  const model = {
    content_type: 'model_editable_context',
    model_set_context: 'SECRET-MEMORY',
    repository: null,
    repo_summary: null,
  };
  const author = { role: 'user', name: null, metadata: {} };
  yield show(handOver(begin(scene, { author, content: user, weight: 0, metadata })));
  yield show(handOver(begin(scene, { content: model, weight: 0, metadata })));
  yield* grow(begin(scene, { metadata }), cutIntoPieces('SECRET-ASIDE that is hidden.', null), toText);
}
