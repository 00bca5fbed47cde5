import type { Chart, Point, Series } from './chart.ts';

/** Where values go on the page. */
interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** What a chart is drawn with. */
interface Frame {
  readonly x: Scale;
  readonly y: Scale;
}

const WIDTH = 800;
const HEIGHT = 400;
const LEFT = 64;
const RIGHT = 560;
const TOP = 48;
const BOTTOM = 344;
const LABEL_HEIGHT = 17;
/** Told apart by all kinds of eyes, on white and on near black. */
const COLOURS = ['#0a84c1', '#d9730d', '#2e9e6b', '#c2569b', '#8a7a00', '#7a6ff0'];
const STYLE = `
  svg { font: 13px system-ui, sans-serif; background: #fff; --ink: #24292f; --faint: #d8dee4; }
  @media (prefers-color-scheme: dark) { svg { background: #0d1117; --ink: #d7dde4; --faint: #30363d; } }
  text { fill: var(--ink); }
  .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: var(--faint); }
  .curve { fill: none; stroke-width: 2; }
  .range { stroke-width: 1.5; }`;

/** A chart as SVG, legible on light and dark pages. Points carry the range they were found in. */
export function toSvg(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  const x = toScale(
    points.map((point) => point.x),
    LEFT + 16,
    RIGHT - 16,
  );
  const y = toScale(
    points.flatMap(({ from, to }) => [from, to]),
    BOTTOM - 8,
    TOP + 8,
  );
  const parts = [
    text(LEFT, 26, chart.title, 'class="title"'),
    ...x.ticks.map((tick) => line(x.at(tick), TOP, x.at(tick), BOTTOM, 'class="grid"')),
    ...x.ticks.map((tick) =>
      text(x.at(tick), BOTTOM + 20, tick.toLocaleString('en'), 'text-anchor="middle"'),
    ),
    ...y.ticks.map((tick) => line(LEFT, y.at(tick), RIGHT, y.at(tick), 'class="grid"')),
    ...y.ticks.map((tick) => text(LEFT - 8, y.at(tick) + 4, tick.toLocaleString('en'), 'text-anchor="end"')),
    text((LEFT + RIGHT) / 2, BOTTOM + 44, chart.x, 'text-anchor="middle"'),
    text(0, 0, chart.y, `text-anchor="middle" transform="translate(16 ${(TOP + BOTTOM) / 2}) rotate(-90)"`),
    ...chart.series.map((series, at) => drawCurve(series, colourOf(at), { x, y })),
    ...drawNames(chart.series, y),
  ];
  const size = `width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n<style>${STYLE}</style>\n${parts.join('\n')}\n</svg>\n`;
}

/** Logarithmic, with ticks at 1, 2 and 5 of each decade, or at the decades alone where there are many. */
function toScale(values: readonly number[], start: number, end: number): Scale {
  const low = Math.log10(Math.min(...values));
  const high = Math.max(Math.log10(Math.max(...values)), low + 0.3);
  const steps = high - low > 2.5 ? [1] : [1, 2, 5];
  const decades = Array.from(
    { length: Math.ceil(high) - Math.floor(low) + 1 },
    (_, at) => Math.floor(low) + at,
  );
  const isWithin = (tick: number): boolean =>
    Math.log10(tick) >= low - 1e-9 && Math.log10(tick) <= high + 1e-9;
  return {
    ticks: decades.flatMap((decade) => steps.map((step) => step * 10 ** decade)).filter(isWithin),
    at: (value) => start + ((Math.log10(value) - low) / (high - low)) * (end - start),
  };
}

function drawCurve({ points }: Series, colour: string, { x, y }: Frame): string {
  const path = points.map((point) => `${x.at(point.x)},${y.at(point.y)}`).join(' ');
  const dots = points.map((point) => drawPoint(point, colour, { x, y }));
  return `<polyline class="curve" stroke="${colour}" points="${path}"/>${dots.join('')}`;
}

function drawPoint(point: Point, colour: string, { x, y }: Frame): string {
  const at = x.at(point.x);
  const range = line(at, y.at(point.from), at, y.at(point.to), `class="range" stroke="${colour}"`);
  return `${range}<circle cx="${at}" cy="${y.at(point.y)}" r="3.5" fill="${colour}"/>`;
}

/** Beside the curves' ends, moved apart where they would overlap. */
function drawNames(series: readonly Series[], y: Scale): string[] {
  const ends = series.flatMap(({ name, points }, at) => {
    const last = points.at(-1);
    return last === undefined ? [] : [{ name, colour: colourOf(at), wanted: y.at(last.y) }];
  });
  let free = -Infinity;
  return ends
    .toSorted((a, b) => a.wanted - b.wanted)
    .map(({ name, colour, wanted }) => {
      const top = Math.max(wanted, free);
      free = top + LABEL_HEIGHT;
      const mark = `<circle cx="${RIGHT + 12}" cy="${top}" r="4" fill="${colour}"/>`;
      return mark + text(RIGHT + 22, top + 4, name, '');
    });
}

function colourOf(at: number): string {
  return COLOURS[at % COLOURS.length] ?? '#888';
}

function line(x1: number, y1: number, x2: number, y2: number, attributes: string): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${attributes}/>`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" ${attributes}>${safe}</text>`;
}
