import { once } from 'node:events';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Scenario } from '../scenario.ts';
import type { Wire } from '../wire.ts';
import type { SocketHub } from './socket-hub.ts';

export interface SocketWireOptions {
  readonly hub: SocketHub;
  readonly owner: string;
  readonly scenario: Scenario;
  /** Which answer the frames belong to. */
  readonly ids: { readonly conversation_id: string; readonly response_id: string };
}

/** A client may open its socket after it was told the address. */
const COME_MS = 5_000;
const DONE = 'data: [DONE]';
const FOREIGN = {
  conversation_id: '99999999-9999-4999-8999-999999999999',
  response_id: '88888888-8888-4888-8888-888888888888',
};
const FOREIGN_EVENT = {
  message: null,
  conversation_id: FOREIGN.conversation_id,
  error: 'of another conversation',
};

/** A stream as frames over its owner's socket, one event in each; resolves when there is a socket. */
export async function createSocketWire({ hub, owner, scenario, ids }: SocketWireOptions): Promise<Wire> {
  const left = new AbortController();
  let sent = 0;
  if (!(await hub.whenListening(owner, COME_MS))) left.abort();
  else void hub.whenGone(owner).then(() => left.abort());

  const publish = (body: Buffer | string, more_body: boolean, of = ids): void =>
    hub.publish(owner, toData(body, more_body, of), scenario.maxUnacked);
  const write = async (body: Buffer | string, more: boolean): Promise<void> => {
    if (scenario.dropSocketAfterEvents === sent) hub.drop(owner);
    if (scenario.foreignFrames) publish(toEvent([`data: ${JSON.stringify(FOREIGN_EVENT)}`]), true, FOREIGN);
    publish(body, more);
    sent += 1;
    // Acknowledgements are heard between frames.
    await nextTurn();
  };
  let ended = false;

  return {
    get gone() {
      return left.signal.aborted;
    },
    send(lines) {
      ended = lines[0] === DONE;
      return write(toEvent(lines), !ended);
    },
    sendHalf(lines) {
      const bytes = Buffer.from(toEvent(lines));
      return write(bytes.subarray(0, Math.ceil(bytes.length / 2)), true);
    },
    sendBytes: (bytes) => write(bytes, true),
    // Frames hold events and nothing else.
    ping: () => Promise.resolve(),
    pause: async (ms) => {
      if (ms > 0) await sleep(ms, undefined, { signal: left.signal, ref: false }).catch(() => {});
    },
    async stall() {
      if (!left.signal.aborted) await once(left.signal, 'abort');
    },
    async end() {
      if (!ended) await write('', false);
    },
    cut() {
      hub.forget(owner);
      return Promise.resolve();
    },
  };
}

function toData(body: Buffer | string, more_body: boolean, ids: SocketWireOptions['ids']): object {
  return { type: 'http.response.body', body: Buffer.from(body).toString('base64'), more_body, ...ids };
}

function toEvent(lines: readonly string[]): string {
  return `${lines.join('\n')}\n\n`;
}
