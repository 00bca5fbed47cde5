import t from 'tap';
import { exitName, gatewayName, seeded, simulate } from '../helpers/ways-simulation.ts';
import type { Fault, FaultKind, Outcome, Scene } from '../helpers/ways-simulation.ts';

const EXIT_FAULTS: readonly FaultKind[] = ['refuses', 'silent', 'slow', 'flaps', 'cuts'];
const GATEWAY_FAULTS: readonly FaultKind[] = ['unwell', 'refuses', 'slow'];
const FAULTS_END_MS = 60_000;
/** As in the program, in a third of the time. */
const QUICK = { ejectMs: 10_000, maxEjectMs: 60_000, slowStartMs: 10_000, forgiveMs: 20_000 };

const scene = (given: Partial<Scene>): Scene => ({
  seed: 1,
  exits: 5,
  gateways: 2,
  requestsPerSecond: 100,
  faultsEndMs: FAULTS_END_MS,
  endMs: FAULTS_END_MS + 120_000,
  faults: [],
  leaveShare: 0.05,
  policy: QUICK,
  ...given,
});

function always(kind: FaultKind, ...nodes: string[]): Fault[] {
  return nodes.map((node) => ({ node, kind, fromMs: 0, toMs: FAULTS_END_MS }));
}

function randomFaults(seed: number, exits: number, gateways: number): Fault[] {
  const random = seeded(seed);
  const draw = (nodes: readonly string[], kinds: readonly FaultKind[]): Fault => {
    const fromMs = random() * FAULTS_END_MS;
    return {
      node: nodes[Math.floor(random() * nodes.length)] as string,
      kind: kinds[Math.floor(random() * kinds.length)] as FaultKind,
      fromMs,
      toMs: Math.min(FAULTS_END_MS, fromMs + random() * 40_000),
    };
  };
  const exitNames = Array.from({ length: exits }, (_, at) => exitName(at + 1));
  const gatewayNames = Array.from({ length: gateways }, (_, at) => gatewayName(at + 1));
  return [
    ...Array.from({ length: 8 }, () => draw(exitNames, EXIT_FAULTS)),
    ...Array.from({ length: 3 }, () => draw(gatewayNames, GATEWAY_FAULTS)),
  ];
}

function shareOf(attempts: ReadonlyMap<string, number>, exit: string): number {
  const all = [...attempts.values()].reduce((sum, count) => sum + count, 0);
  return (attempts.get(exit) ?? 0) / all;
}

/** What is wrong after the faults have ended; empty: nothing. */
function notRecovered({ exits, gateways, attemptsAtEnd }: Outcome): string[] {
  const unwell = [...exits, ...gateways].filter(({ state }) => state !== 'well').map(({ name }) => name);
  const uneven = exits
    .map(({ name }) => ({ name, ratio: shareOf(attemptsAtEnd, name) * exits.length }))
    .filter(({ ratio }) => ratio < 0.6 || ratio > 1.5)
    .map(({ name, ratio }) => `${name} has ${ratio} of its share`);
  return [...unwell, ...uneven];
}

t.test('whatever fails when: counts balance, bounds hold, and all is well again afterwards', (t) => {
  for (const [seed, exits, gateways] of [
    [11, 5, 2],
    [12, 5, 1],
    [13, 3, 2],
    [14, 10, 1],
    [15, 2, 2],
    [16, 1, 1],
  ] as const) {
    const faults = randomFaults(seed, exits, gateways);
    const outcome = simulate(scene({ seed, exits, gateways, faults }));
    const name = `seed ${seed}, ${exits} exits, ${gateways} gateways`;
    t.strictSame([...outcome.broken], [], `${name}: counts`);
    t.equal(outcome.openLeases, 0, `${name}: leases`);
    for (const node of [...outcome.exits, ...outcome.gateways]) t.equal(node.inFlight, 0, node.name);
    t.ok(outcome.mostEjected <= Math.floor(exits * 0.7), `${name}: ${outcome.mostEjected} ejected`);
    t.ok(outcome.mostProbes <= 1, `${name}: ${outcome.mostProbes} probes`);
    t.notOk(outcome.budgetExceeded, `${name}: budget`);
    t.strictSame(notRecovered(outcome), [], `${name}: recovered`);
    t.ok(outcome.requests > 10_000 && outcome.answered > outcome.requests / 2, `${name}: answered`);
  }
  t.end();
});

t.test('two of five dead and one flapping: nearly all is answered, and little goes to the dead', (t) => {
  const faults = [...always('refuses', exitName(1), exitName(2)), ...always('flaps', exitName(3))];
  const given = scene({ faults, leaveShare: 0, endMs: FAULTS_END_MS });
  const outcome = simulate(given);
  t.ok(outcome.answered / outcome.requests > 0.99, `${outcome.answered} of ${outcome.requests}`);
  t.ok(shareOf(outcome.attempts, exitName(1)) < 0.03, String(shareOf(outcome.attempts, exitName(1))));
  const blind = simulate({ ...given, policy: { ...QUICK, failuresInRow: Infinity, failureRate: 2 } });
  t.ok(shareOf(blind.attempts, exitName(1)) > 0.1, 'red without ejection');
  t.ok(blind.retries > outcome.retries * 3, `${outcome.retries} retries, ${blind.retries} without ejection`);
  t.end();
});

t.test('without the cap all are ejected together', (t) => {
  const all = [1, 2, 3, 4, 5].map(exitName);
  const given = scene({ faults: always('refuses', ...all), endMs: FAULTS_END_MS });
  t.equal(simulate(given).mostEjected, 3);
  t.equal(simulate({ ...given, policy: { ...QUICK, maxShare: 1 } }).mostEjected, 5);
  t.end();
});

t.test('without the limit of probes a herd runs to who comes back', (t) => {
  const given = scene({ faults: always('silent', exitName(1)), endMs: FAULTS_END_MS });
  t.equal(simulate(given).mostProbes, 1);
  const herd = simulate({ ...given, policy: { ...QUICK, maxProbes: Infinity } }).mostProbes;
  t.ok(herd > 10, `${herd} at once`);
  t.end();
});

t.test('without the budget a gateway that is unwell is retried by everybody', (t) => {
  const given = scene({
    gateways: 1,
    faults: always('unwell', gatewayName(1)),
    endMs: FAULTS_END_MS,
  });
  const bound = simulate(given);
  t.notOk(bound.budgetExceeded);
  const free = simulate({ ...given, budget: { share: 1, min: Infinity } });
  t.ok(free.budgetExceeded);
  t.ok(free.retries > bound.retries * 1.5, `${bound.retries} retries, ${free.retries} without a budget`);
  t.end();
});

t.test('without a memory of where it failed a request goes there again', (t) => {
  const given = scene({ faults: always('flaps', exitName(1), exitName(2)), endMs: FAULTS_END_MS });
  t.equal(simulate(given).sameExitAgain, 0);
  t.ok(simulate({ ...given, avoids: false }).sameExitAgain > 0);
  t.end();
});

t.test('a slow exit gets little, and its fair share when it is drawn alone', (t) => {
  const given = scene({ faults: always('slow', exitName(1)), endMs: FAULTS_END_MS });
  const two = shareOf(simulate(given).attempts, exitName(1));
  const one = shareOf(simulate({ ...given, policy: { ...QUICK, choices: 1 } }).attempts, exitName(1));
  t.ok(two < 0.05, String(two));
  t.ok(one > 0.15, `red with one choice: ${one}`);
  t.end();
});
