import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { parseConfig } from '../../src/config.ts';

const read = (file: string): string => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const { drainTimeoutMs, port } = parseConfig({});

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly [
    {
      readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
      readonly env: readonly { readonly name: string; readonly value: string }[];
      readonly startupProbe: Probe;
      readonly livenessProbe: Probe;
      readonly readinessProbe: Probe;
      readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: [string, string] } } };
      readonly volumeMounts: readonly { readonly mountPath: string }[];
    },
  ];
}

function podOf(manifest: string): Pod {
  const documents = parseAllDocuments(manifest).map(
    (document) => document.toJS() as { kind: string; spec: { template: { spec: Pod } } },
  );
  return documents.find(({ kind }) => kind === 'StatefulSet')?.spec.template.spec as Pod;
}

t.test('Kubernetes: a pod has time to drain, and is asked where it answers', async (t) => {
  const pod = podOf(read('docs/kubernetes.yaml'));
  const [{ env, ports, lifecycle, startupProbe, livenessProbe, readinessProbe, volumeMounts }] =
    pod.containers;
  t.same(ports, [{ name: 'http', containerPort: port }]);
  const probes = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet);
  t.same(
    probes,
    ['/healthz', '/healthz', '/readyz'].map((path) => ({ path, port: 'http' })),
  );
  const settings = Object.fromEntries(env.map(({ name, value }) => [name, value]));
  const config = parseConfig(settings);
  const [, preStopSeconds] = lifecycle.preStop.exec.command;
  t.ok(pod.terminationGracePeriodSeconds * 1000 > Number(preStopSeconds) * 1000 + config.drainTimeoutMs);
  t.same(volumeMounts.map(({ mountPath }) => mountPath).toSorted(), ['/app/data', '/tmp']);
});

t.test('Compose: the grace period is longer than the drain, and no other files are written to', async (t) => {
  const { services, volumes, configs } = parse(read('compose.yaml')) as {
    services: Record<string, Record<string, unknown>>;
    volumes: object;
    configs: object;
  };
  const service = services['chat2api'] ?? {};
  t.ok(Number.parseInt(String(service['stop_grace_period']), 10) * 1000 > drainTimeoutMs);
  t.match(service, { read_only: true, cap_drop: ['ALL'], volumes: ['data:/app/data'], tmpfs: ['/tmp'] });
  t.same(Object.keys(services), ['chat2api', 'arkose', 'caddy']);
  t.same([services['arkose']?.['profiles'], services['caddy']?.['profiles']], [['arkose'], ['tls']]);
  t.match({ volumes, configs }, { volumes: { data: null, caddy: null }, configs: { caddyfile: Object } });
});
