const PROSE =
  'A proxy stands between two parties that could not, or would rather not, speak to each other directly. ' +
  'It repeats what one says in words that the other understands — no more, no less — and it must not ' +
  'forget who asked. Café owners, naïve readers and 東京 alike expect their answer letter by letter. 🙂\n\n' +
  '```ts\nfor (const event of events) sink.write(event);\n```\n\n';
const DELTA_CHARACTERS = 4;

/** An answer of prose and code as a backend streams it: so many texts of four characters each. */
export function answerDeltas(count: number): string[] {
  const characters = Array.from(PROSE);
  return Array.from({ length: count }, (_, at) =>
    Array.from({ length: DELTA_CHARACTERS }, (_unused, within) => {
      const index = (at * DELTA_CHARACTERS + within) % characters.length;
      return characters[index] ?? '';
    }).join(''),
  );
}
