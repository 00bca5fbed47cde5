import { labelText } from './exposition.ts';
import type { Family, Sample } from './exposition.ts';
import type { NodeReading } from './sources.ts';

const STATES = ['well', 'ejected', 'probing', 'slow_start'];

type Figure = readonly [
  name: string,
  type: Family['type'],
  help: string,
  read: (node: NodeReading) => number | null,
];

const FIGURES: readonly Figure[] = [
  ['in_flight', 'gauge', 'Attempts under way', ({ inFlight }) => inFlight],
  [
    'latency_seconds',
    'gauge',
    "Moving average of the time to an answer's head",
    ({ latencyMs }) => (latencyMs === null ? null : latencyMs / 1000),
  ],
  ['succeeded_total', 'counter', 'Attempts that went well', ({ succeeded }) => succeeded],
  ['failed_total', 'counter', 'Failures held against it', ({ failed }) => failed],
  ['ejections_total', 'counter', 'How often it was taken out', ({ ejections }) => ejections],
];

/** One series for each outbound proxy and gateway; a figure that there is not has none. */
export function nodeFamilies(nodes: readonly NodeReading[]): Family[] {
  const labelled = withLabels(nodes);
  return [
    {
      name: 'chat2api_node_state',
      type: 'gauge',
      help: '1 for the state that an outbound proxy (exit) or gateway is in',
      samples: labelled.flatMap(({ node, labels }) =>
        STATES.map((state) => ({
          labels: `${labels},${labelText({ state })}`,
          value: state === node.state ? 1 : 0,
        })),
      ),
    },
    ...FIGURES.map(([name, type, help, read]): Family => {
      const samples = labelled.flatMap(({ node, labels }): Sample[] => {
        const value = read(node);
        return value === null ? [] : [{ labels, value }];
      });
      return {
        name: `chat2api_node_${name}`,
        type,
        help: `${help}, per outbound proxy (exit) and gateway`,
        samples,
      };
    }),
  ];
}

/** Gateways that differ in their scheme only have one name: no series may be told twice. */
function withLabels(nodes: readonly NodeReading[]): { node: NodeReading; labels: string }[] {
  const counts = new Map<string, number>();
  return nodes.map((node) => {
    const { kind, name, host } = node;
    const count = (counts.get(`${kind} ${name}`) ?? 0) + 1;
    counts.set(`${kind} ${name}`, count);
    return { node, labels: labelText({ kind, name: count === 1 ? name : `${name} #${count}`, host }) };
  });
}
