import { readFileSync, writeFileSync } from 'node:fs';
import type { Chart } from './_util/chart.ts';
import { toSvg } from './_util/curve.ts';

// Draws the curves that a bench has kept in its results: `node build/bench/curves.js stream` writes
// `bench/stream.svg`.

const EXIT_USAGE = 64;

function main(names: readonly string[]): void {
  if (names.length === 0) {
    process.stderr.write('whose curves? those of: stream\n');
    process.exitCode = EXIT_USAGE;
  }
  for (const name of names) {
    const { curves = [] } = JSON.parse(readFileSync(`bench/results/${name}.json`, 'utf8')) as {
      curves?: Chart[];
    };
    for (const [at, chart] of curves.entries()) {
      writeFileSync(`bench/${name}${at === 0 ? '' : `-${at + 1}`}.svg`, toSvg(chart));
    }
  }
}

main(process.argv.slice(2));
