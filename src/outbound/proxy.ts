/** One way out through somebody else's address. */
export interface Proxy {
  /** How messages name it: never its address or password. */
  readonly label: string;
  readonly protocol: 'http' | 'https' | 'socks5' | 'socks5h';
  readonly host: string;
  readonly port: number;
  readonly credentials: ProxyCredentials | null;
}

export interface ProxyCredentials {
  readonly user: string;
  readonly password: string;
}

const DEFAULT_PORTS = { http: 80, https: 443, socks5: 1080, socks5h: 1080 } as const;

/** Reads an entry of PROXY_URL; null when it is none. `label` stands for it in messages. */
export function parseProxy(text: string, label: string): Proxy | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  const protocol = url?.protocol.slice(0, -1);
  if (url === null || !isKnown(protocol) || url.hostname === '') return null;
  return {
    label,
    protocol,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORTS[protocol] : Number(url.port),
    credentials: toCredentials(url),
  };
}

function isKnown(protocol: string | undefined): protocol is Proxy['protocol'] {
  return protocol !== undefined && Object.hasOwn(DEFAULT_PORTS, protocol);
}

function toCredentials(url: URL): ProxyCredentials | null {
  if (url.username === '' && url.password === '') return null;
  return { user: decode(url.username), password: decode(url.password) };
}

// A password with a bare percent sign is meant as it stands.
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
