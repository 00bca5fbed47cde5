const EXPRESSION = /(?<![\w.])-?[\d(][\d\s.,()+\-−*/x×÷^]*[\d)]/u;
const OPERATOR = /[+\-−*/x×÷^]/u;
const TOKEN = /\d+(?:\.\d+)?|[-+*/^()]/g;

interface Cursor {
  readonly tokens: readonly string[];
  at: number;
}

/** The first sum in a text, with its value; null when there is none that can be worked out. */
export function findSum(text: string): { readonly expression: string; readonly value: number } | null {
  const expression = EXPRESSION.exec(text)?.[0].trim();
  if (expression === undefined || !OPERATOR.test(expression.slice(1))) return null;
  const plain = expression
    .replaceAll(',', '')
    .replaceAll('−', '-')
    .replaceAll(/[x×]/gu, '*')
    .replaceAll('÷', '/');
  const cursor: Cursor = { tokens: plain.match(TOKEN) ?? [], at: 0 };
  const value = readSum(cursor);
  return cursor.at === cursor.tokens.length && Number.isFinite(value) ? { expression, value } : null;
}

function readSum(cursor: Cursor): number {
  let value = readProduct(cursor);
  for (;;) {
    if (skip(cursor, '+')) value += readProduct(cursor);
    else if (skip(cursor, '-')) value -= readProduct(cursor);
    else return value;
  }
}

function readProduct(cursor: Cursor): number {
  let value = readPower(cursor);
  for (;;) {
    if (skip(cursor, '*')) value *= readPower(cursor);
    else if (skip(cursor, '/')) value /= readPower(cursor);
    else return value;
  }
}

function readPower(cursor: Cursor): number {
  const base = readNumber(cursor);
  return skip(cursor, '^') ? base ** readPower(cursor) : base;
}

/** NaN where no number is, which spoils the whole sum. */
function readNumber(cursor: Cursor): number {
  if (skip(cursor, '-')) return -readNumber(cursor);
  if (skip(cursor, '(')) {
    const value = readSum(cursor);
    return skip(cursor, ')') ? value : Number.NaN;
  }
  const token = cursor.tokens[cursor.at];
  if (token === undefined) return Number.NaN;
  cursor.at += 1;
  return Number(token);
}

function skip(cursor: Cursor, token: string): boolean {
  if (cursor.tokens[cursor.at] !== token) return false;
  cursor.at += 1;
  return true;
}
