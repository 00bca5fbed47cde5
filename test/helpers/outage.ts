import type { Test } from 'tap';
import type { Env } from '../../src/config.ts';
import { ask, askChat, errorOf, startProgram } from './program.ts';
import type { Answer, Program } from './program.ts';

/** What takes half a minute and more in service takes a second or two here. */
const SHORT = { failuresInRow: 3, ejectMs: 800, maxEjectMs: 800, slowStartMs: 300, latencyDecayMs: 800 };
const ADMIN_KEY = 'admin-key-canary';

/** The program with short times for ways that fail. */
export async function startWary(t: Test, env: Env): Promise<Program> {
  return startProgram(t, { ADMIN_KEY, PRESOLVE: '0', ...env }, { waysPolicy: SHORT });
}

/** So many chats, so many at a time. */
export async function chats(program: Program, count: number, atOnce: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  let begun = 0;
  const client = async (): Promise<void> => {
    while (begun < count) {
      begun += 1;
      answers.push(await askChat(program.port, { stream: begun % 2 === 0 }));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  return answers;
}

export function served(answers: readonly Answer[]): number {
  return answers.filter(({ status, text }) => status === 200 && text.includes('Hello there!')).length;
}

export function codes(answers: readonly Answer[]): string[] {
  return answers.flatMap((answer) => errorOf(answer)?.code ?? []);
}

interface Sights {
  readonly exits: readonly Sight[];
  readonly gateways: readonly Sight[];
}
interface Sight {
  readonly name: string;
  readonly state: string;
  readonly ejections: number;
}

export async function sights({ port }: Program): Promise<Sights> {
  const headers = { authorization: `Bearer ${ADMIN_KEY}` };
  return JSON.parse((await ask(port, { method: 'GET', path: '/admin/exits', headers })).text) as Sights;
}

export const takenOut = (program: Program): string[] =>
  program.logged().flatMap(({ msg, node }) => (msg === 'way taken out' ? (node ?? []) : []));
