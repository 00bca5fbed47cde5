import type { Answer, Question } from './protocol.ts';
import { runLoad } from './run-load.ts';

// The clients of a load bench, in a process of their own.

process.on('message', (question: Question) => {
  if (question.type === 'load') void answer(question);
});
process.stdout.write('{"port":0}\n');

async function answer({ load }: Question & { type: 'load' }): Promise<void> {
  process.send?.(await resultOf(load));
}

async function resultOf(load: (Question & { type: 'load' })['load']): Promise<Answer> {
  try {
    return { type: 'loaded', result: await runLoad(load) };
  } catch (thrown) {
    return { type: 'refused', why: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
