import { BlockList, isIP } from 'node:net';
import type { RequestSnapshot } from './request.ts';

/** The reverse proxies in front of this server (TRUST_PROXY): what they say about the client is believed. */
export class TrustedProxies {
  readonly #ranges = new BlockList();
  /** As a rule; to look into an empty list of Node's takes 3.6 us. */
  readonly isEmpty: boolean;

  /** Addresses and CIDR ranges. */
  constructor(ranges: readonly string[]) {
    this.isEmpty = ranges.length === 0;
    for (const range of ranges) {
      const [address = '', bits] = range.split('/', 2);
      const family = familyOf(address);
      if (bits === undefined) this.#ranges.addAddress(address, family);
      else this.#ranges.addSubnet(address, Number(bits), family);
    }
  }

  has(address: string): boolean {
    if (this.isEmpty) return false;
    return isIP(address) !== 0 && this.#ranges.check(address, familyOf(address));
  }

  /**
   * The address that asks. Each proxy appends the one it was asked from to `x-forwarded-for`, and a client can
   * begin the list with whatever it likes: so it is the last one that is no trusted proxy itself.
   */
  clientOf(request: Pick<RequestSnapshot, 'remoteAddress' | 'header'>): string {
    const { remoteAddress } = request;
    if (!this.has(remoteAddress)) return remoteAddress;
    const hops = (request.header('x-forwarded-for') ?? '').split(',').map((hop) => hop.trim());
    let client = remoteAddress;
    for (const hop of hops.toReversed()) {
      if (isIP(hop) === 0) break;
      client = hop;
      if (!this.has(hop)) break;
    }
    return client;
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
