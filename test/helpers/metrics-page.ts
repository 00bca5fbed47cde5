/** One line of a page with a figure. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Everything under one name. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const HELP = /^# HELP ([a-zA-Z_:][\w:]*) ((?:[^\\]|\\[\\n])+)$/;
const TYPE = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary)$/;
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/gy;
const HISTOGRAM_SUFFIX = /_(bucket|sum|count)$/;

/** Reads a page as strictly as the text format is written; throws at what is none. */
export function parseFamilies(page: string): Family[] {
  if (!page.endsWith('\n')) throw new Error('the last line has no end');
  const families: (Family & { samples: Sample[] })[] = [];
  const seen = new Set<string>();
  const lines = page.split('\n').filter((line) => line !== '');
  for (const [at, line] of lines.entries()) {
    const [, name, help = ''] = HELP.exec(line) ?? [];
    if (name !== undefined) {
      const [, typed, type = ''] = TYPE.exec(lines[at + 1] ?? '') ?? [];
      if (typed !== name) throw new Error(`no type after ${line}`);
      if (families.some((family) => family.name === name)) throw new Error(`a second time: ${line}`);
      families.push({ name, type, help, samples: [] });
    } else if (!TYPE.test(line)) {
      const family = families.at(-1);
      const sample = parseSample(line);
      const stem = family?.type === 'histogram' ? sample.name.replace(HISTOGRAM_SUFFIX, '') : sample.name;
      if (family === undefined || stem !== family.name) throw new Error(`not of its family: ${line}`);
      const key = line.slice(0, line.lastIndexOf(' '));
      if (seen.has(key)) throw new Error(`told twice: ${key}`);
      seen.add(key);
      family.samples.push(sample);
    } else if (!HELP.test(lines[at - 1] ?? '')) throw new Error(`no help before ${line}`);
  }
  for (const family of families) check(family);
  return families;
}

export function parsePage(page: string): Sample[] {
  return parseFamilies(page).flatMap(({ samples }) => samples);
}

function check({ name, type, samples }: Family): void {
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0)))
    throw new Error(`below zero: ${name}`);
  if (type === 'histogram') checkHistogram(name, samples);
}

/** Buckets in rising order, each with all that is below; the last one has everything. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const series = groupBySeries(samples);
  for (const [labels, all] of series) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map((bucket) => Number(bucket.labels['le']?.replace('Inf', 'Infinity')));
    const counts = buckets.map(({ value }) => value);
    const rises = (values: readonly number[]): boolean =>
      values.every((value, at) => value >= (values[at - 1] ?? -Infinity));
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    const hasSum = all.some((sample) => sample.name === `${name}_sum`);
    if (
      !hasSum ||
      bounds.at(-1) !== Infinity ||
      !rises(bounds) ||
      !rises(counts) ||
      counts.at(-1) !== count
    ) {
      throw new Error(`no histogram: ${name} ${labels}`);
    }
  }
}

function groupBySeries(samples: readonly Sample[]): Map<string, Sample[]> {
  const series = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  return series;
}

function parseSample(line: string): Sample {
  const [, name, text = '', value] = SAMPLE.exec(line) ?? [];
  if (name === undefined) throw new Error(`no sample: ${line}`);
  const labels = [...text.matchAll(LABEL)];
  if (labels.map(([whole]) => whole).join('') !== text) throw new Error(`no labels: ${line}`);
  return {
    name,
    labels: Object.fromEntries(labels.map(([, label = '', said = '']) => [label, said])),
    value: Number(value?.replace('Inf', 'Infinity')),
  };
}
