import { isRecord, textOr } from './loose.ts';
import type { WireMessage } from './wire.ts';

/**
 * What a message is to the client:
 * - answer: text for the user
 * - code, output, failure: what a tool is given, what it prints, how it failed
 * - pictures: images that a tool made
 * - document: a text that the model writes onto the canvas
 * - search, drawing: calls of the tools that browse and draw
 * - thoughts, recap, thinking: what the model thinks, in three shapes
 */
export type MessageKind =
  | 'answer'
  | 'code'
  | 'output'
  | 'failure'
  | 'pictures'
  | 'document'
  | 'search'
  | 'drawing'
  | 'thoughts'
  | 'recap'
  | 'thinking'
  | 'hidden';

/** The backend renames its tools now and then; the oldest names come first. */
const BROWSERS = /^(browser|web|web_search)(\.|$)/;
const PAINTERS = /^(dalle|t2uay3k|image_gen)(\.|$)/;
const CANVAS = /^canmore\.(create|update)_textdoc$/;
/** Their results hold pictures of what they read: pages of the user's own files, of web sites. */
const READERS = /^(browser|web|web_search|myfiles_browser|file_search)(\.|$)/;
/** Tools whose calls mean nothing to the user: memory, retrieval, notes on the canvas, actions of custom GPTs. */
const SILENT = /^(bio|myfiles_browser|file_search|canmore|assistant)(\.|$)|__jit_plugin/;
const PYTHON = /^(python|python_user_visible|code_interpreter)(\.|$)/;

export function kindOf(message: WireMessage): MessageKind {
  if (message.weight === 0 || message.metadata?.is_visually_hidden_from_conversation === true)
    return 'hidden';
  switch (message.author?.role) {
    case 'assistant':
      return kindFromAssistant(message);
    case 'tool':
      return kindFromTool(message);
    default:
      return 'hidden';
  }
}

function kindFromAssistant(message: WireMessage): MessageKind {
  const type = message.content?.content_type;
  if (type === 'thoughts') return 'thoughts';
  if (type === 'reasoning_recap') return 'recap';
  if (type !== 'text' && type !== 'multimodal_text' && type !== 'code') return 'hidden';
  const recipient = textOr(message.recipient, 'all');
  if (recipient !== 'all') return kindOfCall(message, recipient, type === 'code');
  if (isNoneOr(message.channel, 'final')) return type === 'code' ? 'code' : 'answer';
  return message.channel === 'analysis' || message.channel === 'commentary' ? 'thinking' : 'hidden';
}

/** A message of the assistant to a tool. */
function kindOfCall(message: WireMessage, recipient: string, isCode: boolean): MessageKind {
  if (BROWSERS.test(recipient)) return 'search';
  if (PAINTERS.test(recipient)) return 'drawing';
  if (CANVAS.test(recipient)) return 'document';
  if (SILENT.test(recipient)) return 'hidden';
  if (message.channel === 'analysis') return 'thinking';
  if (PYTHON.test(recipient)) return 'code';
  return isCode && message.content?.language !== 'json' ? 'code' : 'hidden';
}

function kindFromTool({ author, channel, content, metadata }: WireMessage): MessageKind {
  switch (content?.content_type) {
    case 'execution_output':
      return channel === 'analysis' ? 'hidden' : 'output';
    case 'system_error':
      return 'failure';
    case 'multimodal_text':
      return READERS.test(textOr(author?.name, '')) ? 'hidden' : 'pictures';
    case 'thoughts':
      return 'thoughts';
    case 'text':
      return typeof metadata?.initial_text === 'string' || typeof metadata?.finished_text === 'string'
        ? 'thinking'
        : 'hidden';
    default:
      return 'hidden';
  }
}

/** The language of a message of kind `code`, lower case; null: unknown. */
export function languageOf(message: WireMessage): string | null {
  const named = textOr(message.content?.language, '').toLowerCase();
  if (named !== '' && named !== 'unknown') return named;
  return PYTHON.test(textOr(message.recipient, '')) ? 'python' : null;
}

/** All text of a message, whatever its type. */
export function textOf({ content }: WireMessage): string {
  if (!isRecord(content)) return '';
  const { parts, text } = content;
  if (!Array.isArray(parts)) return textOr(text, '');
  const first: unknown = parts[0];
  // Joining would copy the whole text for every delta.
  if (parts.length === 1) return textOr(first, '');
  return parts.filter((part) => typeof part === 'string').join('');
}

/** The tool draws on after the stream has ended. */
export function isDrawnLater({ author, metadata }: WireMessage): boolean {
  return author?.role === 'tool' && metadata?.image_gen_async === true;
}

/** False while more of the message is to come. */
export function isComplete({ status, end_turn: endTurn }: WireMessage): boolean {
  return typeof status === 'string' ? status !== 'in_progress' : endTurn === true;
}

function isNoneOr(value: unknown, expected: string): boolean {
  return value === undefined || value === null || value === expected;
}
