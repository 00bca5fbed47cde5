import { setTimeout as sleep } from 'node:timers/promises';
import { ChatError } from '../errors.ts';
import type { ChatPorts, Session } from '../chat/ports.ts';
import type { Attachment, UploadedFile } from '../conversation/turn.ts';
import type { Answer, Exchange, ExchangeRequest } from '../outbound/exchange.ts';
import { headerText } from '../outbound/exchange.ts';
import { describeFile, isIndexed } from './describe-file.ts';
import type { OpenAttachment, OpenFile } from './file-source.ts';
import { baseHeaders, basePath, pageHeaders } from './headers.ts';
import type { ClientProfile, Headers } from './headers.ts';
import { parseIndexStatus, parseRegistration, parseUploaded } from './protocol/file-answers.ts';
import type { Registration } from './protocol/file-answers.ts';
import { encodeRegistration } from './protocol/encode-file.ts';
import { toFileRefusal } from './protocol/file-refusal.ts';

export interface FilesOptions {
  readonly exchange: Exchange;
  readonly openFile: OpenAttachment;
  readonly profile: ClientProfile;
  /** Makes uuids. */
  readonly newId: () => string;
  readonly callTimeoutMs?: number;
  readonly indexIntervalMs?: number;
  readonly indexWaitMs?: number;
}

const CALL_TIMEOUT_MS = 15_000;
const PUT_TIMEOUT_MS = 60_000;
/** A slower way to the store than 128 KiB/s is taken for a dead one. */
const PUT_MIN_BYTES_PER_S = 128 * 1024;
const INDEX_INTERVAL_MS = 1_000;
const INDEX_WAIT_MS = 30_000;

/** One attempt's view of one file. */
interface Upload {
  readonly session: Session;
  readonly param: string;
  readonly signal: AbortSignal;
}

/** Files of a question to the backend: announce, store, confirm, and wait until it has read them. */
export function createFiles(options: FilesOptions): Pick<ChatPorts, 'attach'> {
  const { exchange, openFile, profile, newId } = options;
  const callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS;
  const indexIntervalMs = options.indexIntervalMs ?? INDEX_INTERVAL_MS;
  const indexWaitMs = options.indexWaitMs ?? INDEX_WAIT_MS;

  /** `body` null: a GET. */
  function call({ session, signal }: Upload, path: string, body: string | null): Promise<Answer> {
    const request: ExchangeRequest = {
      exit: session.exit,
      origin: session.origin,
      method: body === null ? 'GET' : 'POST',
      path: `${basePath(session)}/files${path}`,
      headers: baseHeaders(session, profile),
      body,
      timeoutMs: callTimeoutMs,
      step: 'an upload (files)',
    };
    return exchange(request, signal);
  }

  async function post(upload: Upload, path: string, body: string): Promise<string> {
    const answer = await call(upload, path, body);
    if (isSuccess(answer)) return answer.text;
    throw refusalOf(answer, upload);
  }

  async function put(
    upload: Upload,
    { uploadUrl }: Registration,
    mimeType: string,
    file: OpenFile,
  ): Promise<void> {
    const { session, signal } = upload;
    const url = new URL(uploadUrl, session.origin);
    const request: ExchangeRequest = {
      exit: session.exit,
      origin: url.origin,
      method: 'PUT',
      path: url.pathname + url.search,
      headers: {
        ...storeHeaders(session, url, profile),
        'content-type': mimeType,
        'content-length': String(file.sizeBytes),
      },
      body: file.bytes,
      timeoutMs: PUT_TIMEOUT_MS + 1000 * Math.ceil(file.sizeBytes / PUT_MIN_BYTES_PER_S),
      step: "sending a file to the backend's store",
    };
    const { status } = await exchange(request, signal);
    if (status === 201) return;
    throw new ChatError(
      'upstream_error',
      `The backend's store for files answered ${status} instead of 201. Try again.`,
    );
  }

  /** Gives up without a word when it takes too long: the file is there, only its index is not yet. */
  async function waitForIndex(upload: Upload, id: string): Promise<void> {
    const endsMs = performance.now() + indexWaitMs;
    while (performance.now() < endsMs) {
      const answer = await call(upload, `/${encodeURIComponent(id)}`, null);
      if (isSuccess(answer) && parseIndexStatus(answer.text, upload.param) === 'ready') return;
      await pause(indexIntervalMs, upload.signal);
    }
  }

  async function attach(
    session: Session,
    attachment: Attachment,
    signal: AbortSignal,
  ): Promise<UploadedFile> {
    signal.throwIfAborted();
    const { param } = attachment;
    const upload = { session, param, signal };
    const file = await openFile(attachment, signal);
    try {
      const description = describeFile(attachment, file, newId);
      const registration = parseRegistration(await post(upload, '', encodeRegistration(description)), param);
      await put(upload, registration, description.mimeType, file);
      const { id } = registration;
      parseUploaded(await post(upload, `/${encodeURIComponent(id)}/uploaded`, '{}'), param);
      if (isIndexed(description)) await waitForIndex(upload, id);
      return { id, ...description };
    } finally {
      file.close();
    }
  }

  return { attach };
}

function isSuccess({ status }: Answer): boolean {
  return status === 200 || status === 201;
}

function refusalOf({ status, contentType, text, headers }: Answer, { session, param }: Upload): ChatError {
  const retryAfter = headerText(headers, 'retry-after');
  const anonymous = session.identity.token === null;
  return toFileRefusal({ status, contentType, body: text, retryAfter, anonymous }, param);
}

/** The store is not the backend, and must see neither token nor device; `authkey` is for the gateway alone. */
function storeHeaders(session: Session, store: URL, { userAgent, authKey }: ClientProfile): Headers {
  const isGateway = store.origin === new URL(session.origin).origin;
  return {
    ...pageHeaders(session.origin, { userAgent, authKey: isGateway ? authKey : null }),
    accept: 'application/json, text/plain, */*',
    'x-ms-blob-type': 'BlockBlob',
    'x-ms-version': '2020-04-08',
  };
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}
