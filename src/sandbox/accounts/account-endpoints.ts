import { createHash } from 'node:crypto';
import { sendJson, type Exchange, type Handler } from '../exchange.ts';
import { admit, passEdge, playError } from '../gate.ts';
import type { World } from '../world.ts';
import { planOf } from './health.ts';

/** `GET /backend-api/accounts/check/v4-2023-04-27`: the caller's workspaces and what was paid for them. */
export function createAccountsCheckHandler(world: World): Handler {
  return async (exchange) => {
    const name = await admitAccount(world, exchange);
    if (name === null) return;
    const id = idOf(name);
    const entry = toEntry(name, id);
    sendJson(exchange.response, 200, {
      accounts: { [id]: entry, default: entry },
      account_ordering: [id],
    });
  };
}

/** `GET /backend-api/me`: the person. */
export function createMeHandler(world: World): Handler {
  return async (exchange) => {
    const name = await admitAccount(world, exchange);
    if (name === null) return;
    sendJson(exchange.response, 200, {
      object: 'user',
      id: `user-${idOf(name).slice(0, 8)}`,
      email: 'somebody@example.com',
      name: 'Somebody',
      picture: null,
      created: 1_700_000_000,
      phone_number: null,
      mfa_flag_enabled: false,
      amr: [],
      groups: [],
      orgs: { object: 'list', data: [] },
      has_payg_project_spend_limit: false,
    });
  };
}

/** Null: nobody is left to answer. */
async function admitAccount(world: World, exchange: Exchange): Promise<string | null> {
  const scenario = await passEdge(world, exchange, 'account');
  if (scenario === null) return null;
  const { account } = admit(world, exchange, '/backend-api', false);
  playError(world, scenario, 'account');
  return account;
}

function toEntry(name: string, id: string): object {
  const plan = planOf(name);
  const paid = plan !== 'free';
  return {
    account: {
      account_user_role: 'account-owner',
      account_user_id: `user-x__${id}`,
      processor: { a001: { has_customer_object: paid } },
      account_id: id,
      organization_id: null,
      is_most_recent_expired_subscription_gratis: false,
      has_previously_paid_subscription: paid,
      name: null,
      profile_picture_id: null,
      structure: plan === 'team' ? 'workspace' : 'personal',
      plan_type: plan,
      is_deactivated: false,
      promo_data: {},
    },
    features: [],
    entitlement: {
      subscription_id: null,
      has_active_subscription: paid,
      subscription_plan: paid ? `chatgpt${plan}plan` : 'chatgptfreeplan',
      expires_at: null,
    },
    last_active_subscription: {
      subscription_id: null,
      purchase_origin_platform: 'chatgpt_not_purchased',
      will_renew: false,
    },
  };
}

/** A uuid that is the same for the same name. */
function idOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
