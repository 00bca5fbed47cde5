import { setTimeout as sleep } from 'node:timers/promises';
import { refuse } from '../gate.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';

const SLOW_MS = 1_000;

/** Lets an account's conversation begin, or refuses it. Call what it returns when the conversation is over. */
export async function openConversation(
  world: World,
  account: string | null,
  scenario: Scenario,
  model: string,
): Promise<() => void> {
  if (account === null) return () => {};
  const entry = world.accounts.open(account, model, scenario.accountConcurrency);
  if (!entry.ok) return refuse(world, entry.refusal, model, entry.clearsInS);
  if (entry.slow) await sleep(SLOW_MS, undefined, { ref: false });
  return entry.close;
}
