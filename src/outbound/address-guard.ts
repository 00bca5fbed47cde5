import { BlockList, isIP } from 'node:net';

/** Not on the public internet, or not meant to be called there (IANA's special-purpose registry). */
const REFUSED_IPV4: readonly (readonly [network: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // Public by number, yet inside Azure every machine's own metadata and DNS service.
  ['168.63.129.16', 32],
];

/** Within the unicast space: protocol assignments with Teredo, documentation, 6to4. */
const REFUSED_IPV6: readonly (readonly [network: string, bits: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const refused = new BlockList();
for (const [network, bits] of REFUSED_IPV4) refused.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of REFUSED_IPV6) refused.addSubnet(network, bits, 'ipv6');
const unicast = new BlockList();
unicast.addSubnet('2000::', 3, 'ipv6');
/** Forms of IPv6 that stand for an IPv4 address in their last 32 bits: mapped, and translated by NAT64. */
const carriers = new BlockList();
carriers.addSubnet('::ffff:0:0', 96, 'ipv6');
carriers.addSubnet('64:ff9b::', 96, 'ipv6');

/** May a user's URL lead to this address? False for everything that is no IP address. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refused.check(address, 'ipv4');
    case 6:
      return isPublicIpv6(address);
    default:
      return false;
  }
}

function isPublicIpv6(address: string): boolean {
  // A zone names one of this machine's networks.
  if (address.includes('%')) return false;
  if (carriers.check(address, 'ipv6')) return isPublicAddress(lastFourBytes(address));
  return unicast.check(address, 'ipv6') && !refused.check(address, 'ipv6');
}

/** In dotted form. The parser of URLs writes any spelling of an address in hexadecimal groups. */
function lastFourBytes(address: string): string {
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':').slice(-2);
  return groups
    .map((group) => Number.parseInt(group || '0', 16))
    .flatMap((value) => [value >> 8, value & 0xff])
    .join('.');
}

const LOCAL_DOMAINS = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

/** A name that no public server has, whatever it resolves to: of this machine, its network, or its cloud. */
export function isLocalName(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return !name.includes('.') || LOCAL_DOMAINS.test(name);
}
