import { findSum } from './arithmetic.ts';

/** An answer to prompts that match `asks`; null when a closer look says otherwise. */
interface Topic {
  readonly asks: RegExp;
  readonly reply: (match: RegExpExecArray, prompt: string) => string | null;
}

const MAX_WORDS = 20_000;

const CAPITALS: Readonly<Record<string, string>> = {
  argentina: 'Buenos Aires',
  australia: 'Canberra',
  austria: 'Vienna',
  brazil: 'Brasília',
  canada: 'Ottawa',
  china: 'Beijing',
  denmark: 'Copenhagen',
  egypt: 'Cairo',
  finland: 'Helsinki',
  france: 'Paris',
  germany: 'Berlin',
  greece: 'Athens',
  india: 'New Delhi',
  indonesia: 'Jakarta',
  ireland: 'Dublin',
  italy: 'Rome',
  japan: 'Tokyo',
  kenya: 'Nairobi',
  mexico: 'Mexico City',
  netherlands: 'Amsterdam',
  norway: 'Oslo',
  poland: 'Warsaw',
  portugal: 'Lisbon',
  spain: 'Madrid',
  sweden: 'Stockholm',
  switzerland: 'Bern',
  turkey: 'Ankara',
  ukraine: 'Kyiv',
  'united kingdom': 'London',
  'united states': 'Washington, D.C.',
  vietnam: 'Hanoi',
};

const LIST_ITEMS = [
  '**Start small.** One clear step today is worth more than ten planned for next week.',
  '**Write it down.** A sentence on paper is easier to improve than a thought in the air.',
  '**Ask early.** Someone nearby has probably met the same question before you.',
  '**Measure once more.** Numbers settle most arguments before they begin.',
  '**Leave room.** A plan with slack survives its first surprise.',
  '**Say thanks.** It costs nothing and is remembered for a long time.',
  '**Rest well.** Tomorrow’s problems look smaller after a night of sleep.',
  '**Finish things.** The last tenth is where a piece of work becomes useful.',
] as const;

const COUNTS: Readonly<Record<string, number>> = { two: 2, three: 3, four: 4, five: 5, six: 6, seven: 7 };

const FILLER =
  'the river runs past quiet fields and a small town where every morning someone opens a bakery sweeps the steps and greets the first travellers who stop for warm bread and news of the road ahead'.split(
    ' ',
  );

/** Tried in order; the first that has something to say answers. */
const TOPICS: readonly Topic[] = [
  { asks: /^\s*(?:please\s+)?(?:say exactly|repeat)\s*:\s?([\s\S]+)$/i, reply: ([, text = '']) => text },
  {
    asks: /(\d[\d,]*)[ -]+words?\b/i,
    reply: ([, count = '']) => writeWords(Number(count.replaceAll(',', ''))),
  },
  {
    asks: /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Hangul}]/u,
    reply: (_, prompt) => answerChinese(prompt),
  },
  {
    asks: /\b(?:code|function|script|program|typescript|javascript|python)\b/i,
    reply: (_, p) => writeCode(p),
  },
  { asks: /capital (?:city )?of (?:the )?([a-z ]+)/i, reply: ([, country = '']) => nameCapital(country) },
  { asks: /\bhaiku\b/i, reply: writeHaiku },
  { asks: /emoji|\p{Extended_Pictographic}/u, reply: writeEmoji },
  {
    asks: /\blist\b|\b(?:give|name|tell)(?: me)? (?:\d|two|three|four|five|six|seven)\b/i,
    reply: (_, p) => writeList(p),
  },
  { asks: /\d/, reply: (_, prompt) => answerSum(prompt) },
  { asks: /^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings)\b|\bsay hi\b/i, reply: greet },
];

/** A short, friendly text that follows from the prompt alone. */
export function composeAnswer(prompt: string): string {
  for (const { asks, reply } of TOPICS) {
    const match = asks.exec(prompt);
    const text = match === null ? null : reply(match, prompt);
    if (text !== null) return text;
  }
  return reflect(prompt);
}

function writeWords(count: number): string | null {
  if (count < 1) return null;
  const words = Array.from({ length: Math.min(count, MAX_WORDS) }, (_, index) => {
    const word = FILLER[index % FILLER.length] ?? '';
    return index % 12 === 0 ? word.charAt(0).toUpperCase() + word.slice(1) : word;
  });
  return words.map((word, index) => (index % 12 === 11 ? `${word}.` : word)).join(' ');
}

function answerSum(prompt: string): string | null {
  const sum = findSum(prompt);
  if (sum === null) return null;
  const value = Number(sum.value.toPrecision(12));
  return `${sum.expression} = **${value}**\n\nI worked it out step by step: brackets come first, then powers, then multiplication and division from left to right, and addition and subtraction last. If you would like to check the result, try it the other way round and undo each step in turn, starting from ${value}. Shall I do another one?`;
}

function nameCapital(asked: string): string | null {
  const country = Object.keys(CAPITALS).find((name) => asked.toLowerCase().startsWith(name));
  if (country === undefined) return null;
  const name = country.replaceAll(/\b(?!of)[a-z]/g, (letter) => letter.toUpperCase());
  return `The capital of ${name} is **${CAPITALS[country]}**.\n\nIt is the seat of the government and one of the best known places in the country, with museums, markets and long streets that reward an unhurried walk. If you are planning a visit, spring and early autumn tend to be pleasant. Would you like to know more about its history, its food, or how to get around?`;
}

function writeHaiku(): string {
  return 'Morning on the wire —\na small packet finds its way,\nsilence, then a word.\n\nThat one has five, seven and five syllables, the traditional count. I chose the quiet moment before an answer arrives, because haiku like to stop at the edge of something about to happen. Tell me a season or a place and I will write another.';
}

function writeEmoji(): string {
  return 'Of course! 🎉 Here are a few that travel well:\n\n- 🌍 the whole world\n- 👩‍🚀 an astronaut, made of three joined signs\n- 👍🏽 a thumb with a skin tone\n- 🇯🇵 a flag, made of two letters\n- é and ñ, for good measure\n\nEach of them takes more than one byte, so they are a fair test for anything that cuts text into pieces. 😀';
}

function writeList(prompt: string): string {
  const word = /\b(two|three|four|five|six|seven)\b/i.exec(prompt)?.[1]?.toLowerCase() ?? '';
  const wanted = COUNTS[word] ?? Number(/\b([1-8])\b/.exec(prompt)?.[1] ?? 4);
  const items = LIST_ITEMS.slice(0, wanted).map((item, index) => `${index + 1}. ${item}`);
  return `Here is a list you can use right away:\n\n${items.join('\n')}\n\nTake the one that fits your day best and leave the others for later. I can expand any of these if you tell me which.`;
}

function writeCode(prompt: string): string {
  const python = /python/i.test(prompt);
  const fence = python
    ? '```python\ndef greet(name: str) -> str:\n    """Return a friendly greeting."""\n    return f"Hello, {name}!"\n\n\nprint(greet("world"))\n```'
    : '```typescript\nfunction greet(name: string): string {\n  return `Hello, ${name}!`;\n}\n\nconsole.log(greet("world"));\n```';
  return `Here is a small example to start from.\n\n${fence}\n\n### How it works\n\nThe function takes a name and returns a sentence; the last line prints it. Keeping the text in one place makes it **easy to test** and easy to translate.\n\nFrom here you could read the name from the command line, or add a second language. Which way would you like to go?`;
}

function answerChinese(prompt: string): string {
  const start = Array.from(prompt.trim()).slice(0, 20).join('');
  return `你好！😊 你说的是“${start}”，这是个很好的话题。\n\n简单来说，可以先从一个小问题开始，一步一步地看清楚，再把结果写下来。这样做既清楚，又容易检查。\n\n- 第一步：想好目标 🎯\n- 第二步：找到例子 📚\n- 第三步：动手试试 🛠️\n\n如果你愿意，我可以继续详细说明。`;
}

function greet(): string {
  return 'Hello there! 👋 It is good to hear from you.\n\nI am the sandbox, a small stand-in that answers in place of the real service, so everything you see here was made up on the spot, the same way each time. Ask me for a haiku, a sum, a list, a capital city or a piece of code and I will do my best. What would you like to talk about?';
}

function reflect(prompt: string): string {
  const line = prompt.trim().split(/\s+/).slice(0, 12).join(' ');
  const about = line === '' ? 'nothing in particular' : `“${line}”`;
  return `You asked about ${about}, and that is worth a moment of thought.\n\nThere are usually two ways to look at such a thing: what is known already, and what could be tried next. The first is a matter of reading; the second asks for a little courage and a small experiment.\n\nIf you tell me which side interests you more, I can go into detail, with an example or two along the way.`;
}
