import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerDeltas } from '../_util/answer.ts';
import { answerOf, chat } from './chat-client.ts';
import type { Endpoint } from './chat-client.ts';
import type { Plan } from './protocol.ts';

export interface Load {
  readonly plan: Plan;
  /** Each holds one chat after the other. */
  readonly clients: number;
  /** No chat begins later. */
  readonly seconds: number;
}

export interface Drive {
  readonly chats: number;
  readonly seconds: number;
  readonly firstTextMs: { readonly p50: number; readonly p99: number };
}

/** Checks one chat to the letter, then drives the load; of those chats each must be as long as the first. */
export async function drive(endpoint: Endpoint, load: Load): Promise<Drive> {
  const { plan, clients, seconds } = load;
  const agent = new Agent({ keepAlive: true, maxFreeSockets: clients });
  try {
    const { stream } = await chat(endpoint, agent);
    const deltas = answerDeltas(plan.deltas);
    if (answerOf(endpoint, stream) !== deltas.join('')) throw new Error('the answer arrived changed');
    const chatMs = plan.deltasPerSecond === null ? 0 : (plan.deltas / plan.deltasPerSecond) * 1000;
    const firstTexts: number[] = [];
    const startedAt = performance.now();
    const runClient = async (number: number): Promise<void> => {
      await sleep((chatMs * number) / clients);
      while (performance.now() - startedAt < seconds * 1000) {
        const done = await chat(endpoint, agent);
        if (done.stream.length !== stream.length)
          throw new Error('a chat was of another length than the first');
        firstTexts.push(done.firstTextMs);
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, number) => runClient(number)));
    return {
      chats: firstTexts.length,
      seconds: (performance.now() - startedAt) / 1000,
      firstTextMs: quantiles(firstTexts),
    };
  } finally {
    agent.destroy();
  }
}

function quantiles(values: readonly number[]): { p50: number; p99: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}
