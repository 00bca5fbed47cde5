import type { Answer, Question } from './protocol.ts';

// Loaded into each process under load before its own program: tells its processor time when asked, and
// ends it with the bench, however that ends.
process.on('message', ({ type }: Question) => {
  if (type !== 'cpu') return;
  const { user, system } = process.cpuUsage();
  process.send?.({ type: 'cpu', us: user + system } satisfies Answer);
});
process.on('disconnect', () => process.exit());
