/**
 * Prometheus' text format, for what has many series: a page with a thousand accounts takes prom-client 20 ms and
 * more, in which nothing else runs, and this a tenth of that (`bench -- metrics`).
 */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** One line. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  /** As `labelText` makes it. */
  readonly labels: string;
  readonly value: number;
  /** `_bucket`, `_sum` or `_count` of a histogram. */
  readonly suffix?: string;
}

/** Families without a sample are left out. */
export function renderFamilies(families: readonly Family[]): string {
  return families.map(renderFamily).join('');
}

/** `a="1",b="2"`; empty for no labels. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escape(value)}"`)
    .join(',');
}

function renderFamily({ name, type, help, samples }: Family): string {
  if (samples.length === 0) return '';
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  for (const { labels, value, suffix = '' } of samples) {
    text += `${name}${suffix}${labels === '' ? '' : `{${labels}}`} ${numberText(value)}\n`;
  }
  return text;
}

export function numberText(value: number): string {
  return Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}

function escape(value: string): string {
  return /[\\"\n]/.test(value)
    ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : value;
}
