import { drawPicture } from '../picture.ts';
import { cutIntoPieces } from '../pieces.ts';
import type { JsonObject } from '../json-shape.ts';
import type { Step } from '../script.ts';
import type { Flow } from './flow.ts';
import { begin, beginTool, grow, handOver, show, toCode, toText, type Scene } from './scene.ts';

const PLOT = { width: 320, height: 200 };
const TABLE = 'n,square\n1,1\n2,4\n3,9\n4,16\n';
const CODE =
  'import csv\nrows = [(n, n * n) for n in range(1, 5)]\nwith open("/mnt/data/r.csv", "w") as file:\n    csv.writer(file).writerows([("n", "square"), *rows])\nprint(6 * 7)\nprint(len(rows), "rows")';
const PLOTTING = '\nimport matplotlib.pyplot as plt\nplt.plot(*zip(*rows))\nplt.show()';
const OUTPUT = '42\n4 rows\n';
const FAILURE = 'KeyboardInterrupt: the cell ran for longer than 60 seconds';

/** Code that prints and writes a table. */
export const CODE_RUN: Flow = { before: (scene) => run(scene, false), answer: presentTable };

/** The same, with a plot. */
export const PLOT_RUN: Flow = { before: (scene) => run(scene, true), answer: presentTable };

/** Code that the tool could not run. */
export const TOOL_FAILURE: Flow = {
  before: fail,
  answer: () => ['The code took too long, so I have no result to show.'],
};

function* run(scene: Scene, plots: boolean): Generator<Step> {
  const code = plots ? CODE + PLOTTING : CODE;
  yield* grow(begin(scene), cutIntoPieces('I will run a little code for that.', null), toText);
  yield* grow(begin(scene, { recipient: 'python' }), cutIntoPieces(code, 3), toCode('unknown'));
  scene.keep({
    name: 'r.csv',
    mimeType: 'text/csv',
    bytes: Buffer.from(TABLE),
    scheme: 'file-service',
    sandboxPath: '/mnt/data/r.csv',
  });
  const result = toResult(scene, code, plots ? [plot(scene)] : []);
  yield* grow(beginTool(scene, 'python'), cutIntoPieces(OUTPUT, 2), toOutput, { aggregate_result: result });
}

function* fail(scene: Scene): Generator<Step> {
  const code = 'import time\ntime.sleep(3600)';
  yield* grow(begin(scene, { recipient: 'python' }), cutIntoPieces(code, 3), toCode('python'));
  const content = { content_type: 'system_error', name: 'ToolTimeoutError', text: FAILURE };
  yield show(handOver(beginTool(scene, 'python', { content })));
}

function plot(scene: Scene): JsonObject {
  const bytes = drawPicture('plot', PLOT.width, PLOT.height);
  const file = {
    name: 'plot.png',
    mimeType: 'image/png',
    bytes,
    scheme: 'file-service',
    sandboxPath: null,
  } as const;
  return {
    message_type: 'image',
    time: scene.createdAtS,
    sender: 'server',
    image_url: scene.keep(file),
    ...PLOT,
  };
}

function toResult(scene: Scene, code: string, images: readonly JsonObject[]): JsonObject {
  const printed = {
    message_type: 'stream',
    time: scene.createdAtS,
    stream_name: 'stdout',
    sender: 'server',
    text: OUTPUT,
  };
  return {
    status: 'success',
    run_id: scene.newId(),
    start_time: scene.createdAtS,
    update_time: scene.createdAtS + 1,
    code,
    end_time: scene.createdAtS + 1,
    final_expression_output: null,
    in_kernel_exception: null,
    system_exception: null,
    messages: [printed, ...images],
    jupyter_messages: [],
  };
}

function toOutput(text: string): JsonObject {
  return { content_type: 'execution_output', text };
}

function presentTable(): readonly string[] {
  return ['It is **42**, and the table of squares has 4 rows. [Get](sandbox:/mnt/data/r.csv)'];
}
