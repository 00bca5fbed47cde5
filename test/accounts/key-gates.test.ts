import fc from 'fast-check';
import t from 'tap';
import { KeyGates } from '../../src/accounts/key-gates.ts';
import { ChatError } from '../../src/errors.ts';

function world(requestsPerMinute: number | null, concurrentStreams: number | null = null) {
  const clock = { ms: 0 };
  const gates = new KeyGates(() => clock.ms);
  gates.set('k', { requestsPerMinute, concurrentStreams });
  const refusal = (keyId = 'k'): ChatError | null => {
    try {
      gates.enter(keyId)();
      return null;
    } catch (error) {
      if (error instanceof ChatError) return error;
      throw error;
    }
  };
  return { clock, gates, refusal };
}

t.test("a refusal says that it is the proxy's, and when to come back", (t) => {
  const { clock, gates, refusal } = world(2);
  clock.ms = 500;
  t.equal(refusal(), null);
  clock.ms = 1_500;
  t.equal(refusal(), null);
  clock.ms = 2_000;
  const refused = refusal();
  t.match(refused, { code: 'key_limit_exceeded', status: 429, retryAfterS: 59, retryable: false });
  t.match(refused?.message, /2 requests per minute.*operator, not by the backend/);
  clock.ms += 58_999;
  t.not(refusal(), null);
  clock.ms += 1;
  t.equal(refusal(), null);
  t.not(refusal(), null);
  t.strictSame(gates.use('k'), { inFlight: 0, requests: 3, refused: 3 });
  t.end();
});

t.test('never more than the limit in any minute, and never long below it', (t) => {
  const gaps = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), gaps, (limit, delays) => {
      const { clock, refusal } = world(limit);
      const admitted: number[] = [];
      for (const delay of delays) {
        clock.ms += delay;
        const refused = refusal();
        const within = (ms: number): number => admitted.filter((at) => at > clock.ms - ms).length;
        if (refused === null) {
          if (within(60_000) >= limit) throw new Error('one too many');
          admitted.push(clock.ms);
        } else {
          if (within(61_000) < limit) throw new Error('refused without need');
          const retry = world(limit);
          for (const at of admitted) {
            retry.clock.ms = at;
            retry.refusal();
          }
          retry.clock.ms = clock.ms + (refused.retryAfterS ?? 0) * 1000;
          if (retry.refusal() !== null) throw new Error('retry-after is too short');
        }
      }
    }),
    { numRuns: 100 },
  );
  t.end();
});

t.test('requests at once', (t) => {
  const { gates, refusal } = world(null, 2);
  const leave = gates.enter('k');
  gates.enter('k');
  t.match(refusal(), { code: 'key_limit_exceeded', retryAfterS: 1 });
  t.strictSame(gates.use('k'), { inFlight: 2, requests: 2, refused: 1 });
  leave();
  leave();
  t.equal(gates.use('k').inFlight, 1);
  t.equal(refusal(), null);
  gates.set('k', { requestsPerMinute: null, concurrentStreams: 1 });
  t.not(refusal(), null, 'new limits hold for what is under way');
  gates.set('k', { requestsPerMinute: null, concurrentStreams: null });
  t.equal(refusal(), null);
  t.end();
});

t.test('keys do not disturb each other, and unknown ones leave nothing behind', (t) => {
  const { gates, refusal } = world(1);
  gates.set('other', { requestsPerMinute: 1, concurrentStreams: null });
  t.equal(refusal(), null);
  t.not(refusal(), null);
  t.equal(refusal('other'), null);
  t.equal(refusal('unknown'), null);
  t.strictSame(gates.use('unknown'), { inFlight: 0, requests: 0, refused: 0 });
  const leave = gates.enter('unknown');
  gates.remove('other');
  leave();
  t.equal(refusal('other'), null);
  t.equal(refusal('other'), null);
  t.end();
});
