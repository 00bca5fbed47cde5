/** What an access token says of itself. Nobody checked its signature: good for planning, not for trust. */
export interface JwtClaims {
  readonly expiresMs: number | null;
  /** The person, the same in each token of theirs. */
  readonly userId: string | null;
  /** The workspace that the token was made for. */
  readonly workspace: string | null;
  /** As upstream calls it (`free`, `plus`, `team`, ...). */
  readonly plan: string | null;
}

type Claims = Readonly<Record<string, unknown>>;

/** The name of upstream's own group of claims. */
const AUTH_CLAIMS = 'https://api.openai.com/auth';
const ID = /^[\x21-\x7e]{1,256}$/;
const PLAN = /^[\w.-]{1,64}$/;
/** The last time that a Date can say. */
const LAST_MS = 8.64e15;

/** Null: not a JSON web token. A claim that is missing or odd is null. Never throws. */
export function readJwt(token: string): JwtClaims | null {
  const [, payload, signature] = token.split('.');
  if (payload === undefined || signature === undefined) return null;
  const claims = decodeClaims(payload);
  if (claims === null) return null;
  const auth = toClaims(claims[AUTH_CLAIMS]) ?? {};
  return {
    expiresMs: expiryOf(claims['exp']),
    userId: text(auth['user_id'], ID) ?? text(auth['chatgpt_user_id'], ID) ?? text(claims['sub'], ID),
    workspace: text(auth['chatgpt_account_id'], ID),
    plan: text(auth['chatgpt_plan_type'], PLAN),
  };
}

function decodeClaims(payload: string): Claims | null {
  try {
    return toClaims(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  } catch {
    return null;
  }
}

function toClaims(value: unknown): Claims | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Claims) : null;
}

function expiryOf(exp: unknown): number | null {
  if (typeof exp !== 'number' || !(exp > 0) || exp * 1000 > LAST_MS) return null;
  return Math.floor(exp * 1000);
}

function text(value: unknown, form: RegExp): string | null {
  return typeof value === 'string' && form.test(value) ? value : null;
}
