import type { ChatPorts, Session } from '../chat/ports.ts';
import type { Asset } from '../conversation/events.ts';
import type { Exchange } from '../outbound/exchange.ts';
import type { FileLinks } from './file-links.ts';
import { toFileLocation } from './file-location.ts';
import { baseHeaders, basePath } from './headers.ts';
import type { ClientProfile } from './headers.ts';

export interface DownloadsOptions {
  readonly exchange: Exchange;
  readonly profile: ClientProfile;
  readonly links: FileLinks;
}

const TIMEOUT_MS = 15_000;

/** What the backend says when asked where a file is. */
interface WireDownload {
  readonly status?: unknown;
  readonly download_url?: unknown;
  readonly file_name?: unknown;
  readonly mime_type?: unknown;
}

/**
 * Links to what the backend made: its own where everybody may follow it, one of ours where only the
 * session may. Null for whatever cannot be had: the text of the answer matters more.
 */
export function createDownloads(options: DownloadsOptions): Pick<ChatPorts, 'link'> {
  return {
    async link(session, asset, signal) {
      const path = toPath(asset);
      const download = path === null ? null : await ask(options, session, path, signal);
      return download === null ? null : toLink(options.links, session, download);
    },
  };
}

/** Below the base path; null: a name that this program does not know how to fetch. */
function toPath(asset: Asset): string | null {
  const conversation = asset.conversationId === null ? null : encodeURIComponent(asset.conversationId);
  if (asset.kind === 'sandbox') {
    const query = new URLSearchParams({ message_id: asset.messageId, sandbox_path: asset.path });
    return conversation === null
      ? null
      : `/conversation/${conversation}/interpreter/download?${query.toString()}`;
  }
  const [, scheme, id] = /^(file-service|sediment):\/\/([^/?#]+)/.exec(asset.pointer) ?? [];
  if (scheme === undefined || id === undefined) return null;
  const file = encodeURIComponent(id);
  if (scheme === 'file-service' || conversation === null) return `/files/${file}/download`;
  return `/conversation/${conversation}/attachment/${file}/download`;
}

async function ask(
  { exchange, profile }: DownloadsOptions,
  session: Session,
  path: string,
  signal: AbortSignal,
): Promise<WireDownload | null> {
  const request = {
    exit: session.exit,
    origin: session.origin,
    method: 'GET',
    path: basePath(session) + path,
    headers: baseHeaders(session, profile),
    body: null,
    timeoutMs: TIMEOUT_MS,
    step: 'the link to a file',
  } as const;
  try {
    const { status, text } = await exchange(request, signal);
    return status === 200 ? parseDownload(text) : null;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

function parseDownload(text: string): WireDownload | null {
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' ? value : null;
}

function toLink(links: FileLinks, session: Session, download: WireDownload): string | null {
  const url = textOf(download.download_url);
  const source = url === null || download.status === 'error' ? null : toFileLocation(url, session);
  if (source === null) return null;
  if (source.kind === 'open') return source.url;
  return links.keep({
    session,
    path: source.path,
    name: textOf(download.file_name),
    mimeType: textOf(download.mime_type),
  });
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
