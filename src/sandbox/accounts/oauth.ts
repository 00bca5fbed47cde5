import { send, sendJson, type Exchange, type Handler } from '../exchange.ts';
import { passEdge, playError } from '../gate.ts';
import { isObject, type JsonObject } from '../json-shape.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';
import { planOf } from './health.ts';

const CLIENT_ID = 'pdlLIX2Y72MIl2rhLhTE9VV9bN905kBh';
const REDIRECT_URI = 'com.openai.chat://auth0.openai.com/ios/com.openai.chat/callback';
const REFRESH_TOKEN = /^[A-Za-z0-9_-]{45}$/;

/** An error in the form of OAuth. */
interface Denial {
  readonly status: number;
  readonly error: string;
  readonly description: string;
}

/**
 * `POST /oauth/token`: gives an access token for a refresh token. Any of the right form is known; one with
 * `revoked` or `denied` in it is refused, and so is one that was replaced.
 */
export function createOauthHandler(world: World): Handler {
  return async (exchange) => {
    const form = isObject(exchange.body.json) ? exchange.body.json : {};
    const refreshToken = String(form['refresh_token']);
    const scenario = await passEdge(world, { ...exchange, authorization: refreshToken }, 'oauth');
    if (scenario === null) return;
    playError(world, scenario, 'oauth');
    const denial = findDenial(world, exchange, form, scenario);
    const subject = denial === null ? world.grants.subjectOf(refreshToken) : null;
    if (subject !== null) return grant(world, exchange, refreshToken, subject, scenario);
    world.grants.count('refused');
    const { status, error, description } = denial ?? SPENT;
    sendJson(exchange.response, status, { error, error_description: description });
  };
}

const SPENT: Denial = {
  status: 403,
  error: 'invalid_grant',
  description: 'Unknown or invalid refresh token.',
};
const DENIED: Denial = { status: 403, error: 'access_denied', description: 'Unauthorized' };

function findDenial(
  world: World,
  { body, record }: Exchange,
  form: JsonObject,
  { oauthReply }: Scenario,
): Denial | null {
  const problem = isObject(body.json) ? findFormProblem(form) : 'the body is no JSON object';
  if (problem !== null) record.warnings.push(problem);
  if (problem !== null && world.strict)
    return { status: 400, error: 'invalid_request', description: problem };
  const token = String(form['refresh_token']);
  if (!REFRESH_TOKEN.test(token) || token.includes('revoked') || oauthReply === 'invalid_grant') return SPENT;
  return token.includes('denied') || oauthReply === 'access_denied' ? DENIED : null;
}

function findFormProblem(form: JsonObject): string | null {
  if (form['client_id'] !== CLIENT_ID) return 'client_id is not known';
  if (form['grant_type'] !== 'refresh_token') return 'grant_type is not refresh_token';
  return form['redirect_uri'] === REDIRECT_URI ? null : 'redirect_uri is not the one of the client';
}

function grant(
  world: World,
  { response }: Exchange,
  refreshToken: string,
  subject: string,
  scenario: Scenario,
): void {
  if (scenario.oauthReply === 'garbage')
    return send(response, { status: 200, contentType: 'text/html', body: '<html>no token here' });
  if (scenario.oauthReply === 'status_500') return sendJson(response, 500, { error: 'server_error' });
  world.grants.count('granted');
  sendJson(response, 200, {
    access_token: issue(world, subject, scenario.accessTokenLifetimeS),
    expires_in: scenario.accessTokenLifetimeS,
    scope: 'openid profile email offline_access',
    token_type: 'Bearer',
    ...(scenario.rotateRefreshTokens ? { refresh_token: world.grants.rotate(refreshToken) } : {}),
  });
}

/** A JWT whose signature nobody checks. */
function issue(world: World, subject: string, lifetimeS: number): string {
  const nowS = Math.floor(world.now() / 1000);
  const claims = {
    iss: 'https://auth0.openai.com/',
    sub: subject,
    aud: ['https://api.openai.com/v1'],
    iat: nowS,
    exp: nowS + lifetimeS,
    jti: world.random.hex(16),
    'https://api.openai.com/auth': { user_id: subject, chatgpt_plan_type: planOf(subject) },
  };
  const head = encode({ alg: 'RS256', typ: 'JWT' });
  return `${head}.${encode(claims)}.${world.random.hex(43)}`;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
