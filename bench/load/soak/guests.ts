import type { GuestsAnswer, GuestsQuestion } from './guests-protocol.ts';
import { Mix } from './mix.ts';
import { Visit } from './visit.ts';
import type { Manner } from './visit.ts';

// The process of the clients: groups that stay as long as the bench wants, or a mix that comes and goes.

/** So many of a group are without their first text at a time: no backlog is as long as a crowd. */
const AT_ONCE = 100;

interface Group {
  readonly visits: Set<Visit>;
  ends: Record<string, number>;
}

const groups = new Map<string, Group>();
let mix: Mix | null = null;

process.on('disconnect', () => process.exit());
process.on('message', (question: GuestsQuestion) => {
  void toAnswer(question).then((answer) => process.send?.(answer));
});
process.stdout.write(`${JSON.stringify({ port: 0 })}\n`);

async function toAnswer(question: GuestsQuestion): Promise<GuestsAnswer> {
  switch (question.type) {
    case 'join': {
      const group = groupOf(question.group);
      await join(group, question.count, question.manner, question.port);
      return { type: 'join', open: group.visits.size };
    }
    case 'tell':
      return { type: 'tell', ends: groupOf(question.group).ends };
    case 'mix':
      mix = new Mix(question.port, question.seed);
      mix.start(question.count);
      return { type: 'mix' };
    case 'end-mix': {
      await mix?.end();
      return { type: 'end-mix', tally: mix?.tally ?? {}, wrong: mix?.wrong ?? [] };
    }
    default:
      return question satisfies never;
  }
}

function groupOf(name: string): Group {
  const group = groups.get(name) ?? { visits: new Set(), ends: {} };
  groups.set(name, group);
  return group;
}

async function join(group: Group, count: number, manner: Manner, port: number): Promise<void> {
  let left = count;
  const joinOnes = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await joinOne(group, manner, port);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, joinOnes));
}

/** Resolves with the first text, or the end. */
function joinOne(group: Group, manner: Manner, port: number): Promise<void> {
  return new Promise((resolve) => {
    const visit = new Visit(port, manner, {
      onText: resolve,
      onEnd(end, status, texts) {
        resolve();
        group.visits.delete(visit);
        const name = end === 'complete' && texts < manner.script.events ? 'incomplete' : end;
        const key = name === 'refused' ? `refused ${status}` : name;
        group.ends[key] = (group.ends[key] ?? 0) + 1;
      },
    });
    group.visits.add(visit);
  });
}
