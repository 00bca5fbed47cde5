import { createHash, hash } from 'node:crypto';
import { createSHA3 } from 'hash-wasm';
import { hold } from '../../_util/contest.ts';
import type { Report } from '../../_util/report.ts';
import { browserConfig } from '../../../src/sentinel/browser-config.ts';
import { CounterText, encodeConfig } from '../../../src/sentinel/counter-text.ts';
import { createNodeHasher } from '../../../src/sentinel/node-hasher.ts';
import { searchProof } from '../../../src/sentinel/proof.ts';
import type { ProofResult, ProofTask, ProofText } from '../../../src/threads/tasks.ts';
import solve from '../../../workers/proof.ts';

/** A challenge that takes a few thousand tries: long enough to time, short enough to repeat. */
const SEED = '0.13';
const DIFFICULTY = '0007ff';

/** Ways to search one proof of work over the config of 18 entries, on one thread. */
export async function benchProof(): Promise<Report> {
  const task: ProofTask = {
    type: 'proof',
    seed: SEED,
    difficulty: DIFFICULTY,
    text: fixedConfig(),
    from: 0,
    tries: 1_000_000,
    cancel: new SharedArrayBuffer(4),
  };
  const expected = searchPlainly(task, (text) => createHash('sha3-512').update(text).digest('hex'));
  const rows = await hold<ProofResult>({
    name: '18 entries',
    unit: 'try',
    units: 'tries',
    unitsPerRun: expected.tries,
    expected,
    floor: { name: 'the hash of hash-wasm and nothing else', run: await bareHashing(task, expected.tries) },
    baseline: {
      name: "the plain loop, createHash('sha3-512')",
      run: () => searchPlainly(task, (text) => createHash('sha3-512').update(text).digest('hex')),
    },
    ours: [
      {
        name: 'the plain loop, crypto.hash',
        run: () => searchPlainly(task, (text) => hash('sha3-512', text)),
      },
      { name: "our loop, node's hash (main thread)", run: searchOnMainThread(task) },
      { name: 'our loop, hash-wasm (worker)', run: () => solve(task) },
    ],
  });
  return { title: 'tries at a proof of work, one thread', rows };
}

function fixedConfig(): ProofText {
  return browserConfig(
    {
      userAgent:
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
      scripts: ['https://example.com/backend-api/sentinel/sdk.js'],
      buildId: 'build-1',
    },
    {
      nowMs: () => 1_750_000_000_000,
      random: () => 0.5,
      newId: () => '00000000-0000-4000-8000-000000000000',
    },
    'nonce',
  );
}

/** The loop as it is usually written: the whole message anew for each try, compared as hex. */
function searchPlainly(task: ProofTask, digest: (text: string) => string): ProofResult & { type: 'solved' } {
  const { seed, difficulty, text } = task;
  for (let counter = 0; ; counter += 1) {
    const answer = encodeConfig(text, counter);
    if (digest(seed + answer).slice(0, difficulty.length) <= difficulty) {
      return { type: 'solved', answer, tries: counter + 1 };
    }
  }
}

function searchOnMainThread(task: ProofTask): () => ProofResult {
  const context = { hasher: createNodeHasher(), isCancelled: () => false };
  return () => searchProof(task, context);
}

/** As many hashes as the search takes, of a message that stays the same. */
async function bareHashing({ seed, text }: ProofTask, tries: number): Promise<() => number> {
  const sha3 = await createSHA3(512);
  const { constant, changing } = new CounterText(Buffer.from(seed), text, tries);
  const midstate = sha3.init().update(constant).save();
  return () => {
    let sum = 0;
    for (let done = 0; done < tries; done += 1) {
      sum += sha3.load(midstate).update(changing).digest('binary')[0] ?? 0;
    }
    return sum;
  };
}
