import type { Place, Scenario } from './scenario.ts';

/** The scenarios in force, each used up by requests at its place. */
export interface ScenarioList {
  readonly defaults: Scenario;
  replace(scenarios: readonly Scenario[]): void;
  /** What a request at `place` meets; counts the request against the scenario's `times`. */
  take(place: Place, authorization: string): Scenario;
  /** What a request with this credential would meet, counting nothing. */
  peek(authorization: string): Scenario;
  /** Scenarios left, in order, with the number of requests each still applies to. */
  remaining(): readonly Scenario[];
}

export function createScenarioList(defaults: Scenario): ScenarioList {
  let entries: { scenario: Scenario; left: number }[] = [];

  const find = (authorization: string) =>
    entries.find(
      ({ scenario, left }) => left > 0 && (scenario.token === null || authorization.includes(scenario.token)),
    );

  return {
    defaults,
    replace(scenarios) {
      entries = scenarios.map((scenario) => ({ scenario, left: scenario.times ?? Infinity }));
    },
    take(place, authorization) {
      const entry = find(authorization);
      if (entry === undefined) return defaults;
      if (entry.scenario.at === place) entry.left -= 1;
      return entry.scenario;
    },
    peek: (authorization) => find(authorization)?.scenario ?? defaults,
    remaining: () =>
      entries
        .filter(({ left }) => left > 0)
        .map(({ scenario, left }) => ({ ...scenario, times: left === Infinity ? null : left })),
  };
}
