import { openStore } from '../../src/accounts/store.ts';
import { account } from './records.ts';

/** Saves accounts in several calls until it is killed, and prints what is on the disk. */
const [dataDir = '', from = '0', count = '0'] = process.argv.slice(2);
const GROUP = 20;

const store = openStore({ dataDir, dataKey: null, nowMs: Date.now, onNotice: () => undefined });
for (let first = Number(from); first < Number(from) + Number(count); first += GROUP) {
  const numbers = Array.from({ length: GROUP }, (_, index) => first + index);
  void store
    .save(numbers.map((number) => account(number)))
    .then(() => process.stdout.write(`${numbers.join(' ')}\n`));
  if (first % (GROUP * 5) === 0) await new Promise((resolve) => setImmediate(resolve));
}
await store.flush();
process.stdout.write('all\n');
setInterval(() => undefined, 1_000);
