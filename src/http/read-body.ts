import { ChatError } from '../errors.ts';
import type { Reply } from './reply.ts';
import type { RequestSnapshot } from './request.ts';

/**
 * The whole body. Call it before the handler's first await: the native server drops what nobody takes.
 * Rejects with `request_too_large` as soon as the body is known to exceed `maxBytes` (the reply then answers
 * and closes), or with an ordinary Error when the client leaves.
 */
export function readBody(reply: Reply, request: RequestSnapshot, maxBytes: number): Promise<Buffer> {
  const declaredBytes = Number(request.header('content-length') ?? 0);
  const body = new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    /** Null once the promise is settled: through it the reply's listeners would hold the body to the end. */
    let settle: { readonly resolve: typeof resolve; readonly reject: typeof reject } | null;
    settle = { resolve, reject };
    const refuse = (toReason: () => Error): void => {
      // Every reply closes, and an error takes a stack trace: 25 us for each chat that ended well.
      settle?.reject(toReason());
      settle = null;
      chunks.length = 0;
    };
    reply.receive((chunk, isLast) => {
      if (settle === null) return;
      bytes += chunk.byteLength;
      if (bytes > maxBytes) return refuse(() => tooLarge(maxBytes));
      // The native chunk is emptied when this callback returns.
      if (chunk.byteLength > 0) chunks.push(Buffer.from(new Uint8Array(chunk)));
      if (!isLast) return;
      settle.resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes));
      settle = null;
      chunks.length = 0;
    });
    reply.onClose(() => refuse(() => new Error('the reply ended before the body was complete')));
    if (declaredBytes > maxBytes) refuse(() => tooLarge(maxBytes));
  });
  // A handler may answer without ever looking at the body that it claimed.
  body.catch(() => undefined);
  return body;
}

function tooLarge(maxBytes: number): ChatError {
  return new ChatError(
    'request_too_large',
    `The request body is larger than ${maxBytes} bytes, this proxy's limit. Send less, or ask its operator to raise MAX_BODY_BYTES.`,
  );
}
