import type { RequestRecord } from './http/server.ts';
import type { Metrics, MetricsSources } from './metrics/metrics.ts';

export interface LateMetrics extends Metrics {
  /** Idempotent; what was observed before is counted now. */
  load(): Promise<void>;
}

/** Metrics that are loaded when they are told to, or when somebody looks. Somebody has to: until then they grow. */
export function createLateMetrics(sources: MetricsSources): LateMetrics {
  let early: RequestRecord[] = [];
  let metrics: Metrics | null = null;
  let loading: Promise<Metrics> | null = null;
  const load = (): Promise<Metrics> => (loading ??= create());

  async function create(): Promise<Metrics> {
    const { createMetrics } = await import('./metrics/metrics.ts');
    metrics = createMetrics(sources);
    for (const record of early) metrics.observe(record);
    early = [];
    return metrics;
  }

  return {
    async load() {
      await load();
    },
    observe(record) {
      if (metrics === null) early.push(record);
      else metrics.observe(record);
    },
    render: async () => (await load()).render(),
    /** Empty before the first page. */
    get contentType() {
      return metrics?.contentType ?? '';
    },
  };
}
