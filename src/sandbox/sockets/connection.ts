import type { RawData, WebSocket } from 'ws';
import { isObject } from '../json-shape.ts';

/** One reliable connection: it outlives the sockets that it is held over. */
export interface Connection {
  readonly id: string;
  readonly owner: string;
  readonly reconnectionToken: string;
  /** Says hello over a socket and repeats what was not acknowledged. */
  attach(socket: WebSocket): void;
  /** Ends the connection when more than `maxUnacked` frames wait for their acknowledgement. */
  publish(data: object, maxUnacked: number): void;
  /** Takes the socket away without a word. */
  drop(): void;
  state(): ConnectionState;
}

export interface ConnectionState {
  readonly id: string;
  readonly connected: boolean;
  readonly sent: number;
  readonly acked: number;
  readonly unacked: number;
  readonly redelivered: number;
}

export interface ConnectionFacts {
  readonly id: string;
  readonly owner: string;
  readonly reconnectionToken: string;
  /** `clean`: the other side said goodbye, or said what nobody understands; it will not come back. */
  readonly onLost: (clean: boolean) => void;
}

const POLICY_VIOLATION = 1008;
/** What a close is called when there was none. */
const ABNORMAL = 1006;

export function createConnection({ id, owner, reconnectionToken, onLost }: ConnectionFacts): Connection {
  let socket: WebSocket | null = null;
  let unacked: { readonly sequenceId: number; readonly text: string }[] = [];
  let [sent, acked, redelivered] = [0, 0, 0];

  const hear = (from: WebSocket, raw: RawData): void => {
    const message = parseJson(raw);
    const type = isObject(message) ? message['type'] : undefined;
    if (type === 'ping') from.send('{"type":"pong"}');
    else if (isObject(message) && type === 'sequenceAck' && isSequenceId(message['sequenceId'], sent)) {
      acked = Math.max(acked, message['sequenceId']);
      unacked = unacked.filter(({ sequenceId }) => sequenceId > acked);
    } else end(POLICY_VIOLATION, 'not understood');
  };

  const end = (code: number, reason: string): void => {
    const old = socket;
    socket = null;
    old?.close(code, reason);
    onLost(true);
  };

  return {
    id,
    owner,
    reconnectionToken,
    attach(fresh) {
      socket?.terminate();
      socket = fresh;
      fresh.on('error', () => {});
      fresh.on('message', (raw) => hear(fresh, raw));
      fresh.on('close', (code) => {
        if (socket !== fresh) return;
        socket = null;
        onLost(code !== ABNORMAL);
      });
      fresh.send(toConnected({ id, owner, reconnectionToken }));
      redelivered += unacked.length;
      for (const { text } of unacked) fresh.send(text);
    },
    publish(data, maxUnacked) {
      sent += 1;
      const text = JSON.stringify(toFrame(sent, owner, data));
      unacked.push({ sequenceId: sent, text });
      socket?.send(text);
      if (unacked.length > maxUnacked) end(POLICY_VIOLATION, 'too many unacknowledged messages');
    },
    drop: () => socket?.terminate(),
    state: () => ({ id, connected: socket !== null, sent, acked, unacked: unacked.length, redelivered }),
  };
}

function toConnected({ id, owner, reconnectionToken }: Omit<ConnectionFacts, 'onLost'>): string {
  return JSON.stringify({
    type: 'system',
    event: 'connected',
    userId: owner,
    connectionId: id,
    reconnectionToken,
  });
}

function toFrame(sequenceId: number, owner: string, data: object): object {
  return { sequenceId, type: 'message', from: 'group', group: `g-${owner}`, dataType: 'json', data };
}

function isSequenceId(value: unknown, sent: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= sent;
}

function parseJson(raw: RawData): unknown {
  try {
    return JSON.parse((raw as Buffer).toString());
  } catch {
    return undefined;
  }
}
