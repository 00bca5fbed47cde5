import type { Metrics, MetricsOptions } from './metrics/metrics.ts';

export interface LateMetrics extends Metrics {
  /** Idempotent; what was observed before is counted now. */
  load(): Promise<void>;
}

/** Metrics that are loaded when they are told to, or when somebody looks. Somebody has to: until then they grow. */
export function createLateMetrics(options: MetricsOptions): LateMetrics {
  let early: Parameters<Metrics['observe']>[] = [];
  let metrics: Metrics | null = null;
  let loading: Promise<Metrics> | null = null;
  const load = (): Promise<Metrics> => (loading ??= create());

  async function create(): Promise<Metrics> {
    const { createMetrics } = await import('./metrics/metrics.ts');
    metrics = createMetrics(options);
    for (const ended of early) metrics.observe(...ended);
    early = [];
    return metrics;
  }

  return {
    async load() {
      await load();
    },
    observe(...ended) {
      if (metrics === null) early.push(ended);
      else metrics.observe(...ended);
    },
    render: async () => (await load()).render(),
    /** Empty before the first page. */
    get contentType() {
      return metrics?.contentType ?? '';
    },
  };
}
