import type { Session } from '../chat/ports.ts';

/** One browser for all calls: what the headers say must be what the proof of work says. */
export interface ClientProfile {
  readonly userAgent: string;
  /** Sent as `authkey` to a private gateway. */
  readonly authKey: string | null;
}

export type Headers = Readonly<Record<string, string>>;
type OwnHeaders = Record<string, string>;

/** What a browser on the gateway's own page sends with every call; the caller's own. */
export function baseHeaders({ origin, deviceId, identity }: Session, profile: ClientProfile): OwnHeaders {
  // A literal that spreads many and goes on with its own takes 4.6 us, this 0.5.
  const headers: OwnHeaders = Object.assign({}, pageHeaders(origin, profile));
  headers['content-type'] = 'application/json';
  headers['oai-device-id'] = deviceId;
  if (identity.token === null) return headers;
  headers['authorization'] = `Bearer ${identity.token}`;
  if (identity.accountId !== null) headers['chatgpt-account-id'] = identity.accountId;
  return headers;
}

/** The same for a page, which belongs to nobody: no token, no device. */
export function pageHeaders(base: string, profile: ClientProfile): Headers {
  const known = pages.get(profile)?.get(base);
  if (known !== undefined) return known;
  const headers = toPageHeaders(base, profile);
  pages.set(profile, (pages.get(profile) ?? new Map<string, Headers>()).set(base, headers));
  return headers;
}

/** Of each profile, by gateway: they are wanted twice per chat, and 4 us in the making. */
const pages = new WeakMap<ClientProfile, Map<string, Headers>>();

function toPageHeaders(base: string, { userAgent, authKey }: ClientProfile): Headers {
  const { origin } = new URL(base);
  return {
    accept: '*/*',
    // The dispatcher does not decompress, and a compressed stream would only come later.
    'accept-encoding': 'identity',
    'accept-language': 'en-US,en;q=0.9',
    'oai-language': 'en-US',
    origin,
    referer: `${origin}/`,
    priority: 'u=1, i',
    ...browserHeaders({ userAgent }),
    'sec-fetch-dest': 'empty',
    'sec-fetch-mode': 'cors',
    'sec-fetch-site': 'same-origin',
    ...(authKey === null ? {} : { authkey: authKey }),
  };
}

/** What names the browser itself, with whatever it asks for. */
export function browserHeaders({ userAgent }: Pick<ClientProfile, 'userAgent'>): Headers {
  return { ...clientHints(userAgent), 'user-agent': userAgent };
}

/** `/backend-api` for an account, `/backend-anon` for a visitor. */
export function basePath({ identity }: Session): string {
  return identity.token === null ? '/backend-anon' : '/backend-api';
}

// Only Chromium browsers send client hints, and theirs repeat what the user agent says.
function clientHints(userAgent: string): Headers {
  const version = /Chrome\/(\d+)/.exec(userAgent)?.[1];
  if (version === undefined) return {};
  const brand = userAgent.includes('Edg/') ? 'Microsoft Edge' : 'Google Chrome';
  return {
    'sec-ch-ua': `"Chromium";v="${version}", "${brand}";v="${version}", "Not-A.Brand";v="99"`,
    'sec-ch-ua-mobile': userAgent.includes('Mobile') ? '?1' : '?0',
    'sec-ch-ua-platform': `"${platform(userAgent)}"`,
  };
}

function platform(userAgent: string): string {
  if (userAgent.includes('Windows')) return 'Windows';
  if (userAgent.includes('Android')) return 'Android';
  if (userAgent.includes('Mac OS X')) return 'macOS';
  return 'Linux';
}
