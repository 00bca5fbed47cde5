import t from 'tap';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';

const PROXIES = new TrustedProxies(['127.0.0.1', '10.0.0.0/8', 'fd00::/8']);

const CASES: readonly (readonly [
  name: string,
  remote: string,
  forwarded: string | undefined,
  client: string,
])[] = [
  ['no proxy is before us', '192.0.2.7', undefined, '192.0.2.7'],
  ['who is no trusted proxy is not believed', '192.0.2.7', '198.51.100.1', '192.0.2.7'],
  ['a trusted one is', '127.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['but not what the client wrote before', '127.0.0.1', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
  ['through two of ours', '127.0.0.1', '198.51.100.1, 10.1.2.3', '198.51.100.1'],
  ['all are ours', '127.0.0.1', '10.0.0.9, 10.1.2.3', '10.0.0.9'],
  ['a trusted one that says nothing', '127.0.0.1', undefined, '127.0.0.1'],
  ['or nonsense', '127.0.0.1', '198.51.100.1, unknown', '127.0.0.1'],
  ['IPv6', 'fd00:0000:0000:0000:0000:0000:0000:0001', '2001:db8::1', '2001:db8::1'],
  ['IPv4 written as IPv6', '0000:0000:0000:0000:0000:ffff:7f00:0001', '198.51.100.1', '198.51.100.1'],
];

t.test('the client is the last one that no trusted proxy is', async (t) => {
  for (const [name, remoteAddress, forwarded, client] of CASES) {
    t.equal(PROXIES.clientOf({ remoteAddress, header: () => forwarded }), client, name);
  }
});

t.test('without TRUST_PROXY nobody is believed', async (t) => {
  const none = new TrustedProxies([]);
  t.notOk(none.has('127.0.0.1'));
  t.equal(none.clientOf({ remoteAddress: '127.0.0.1', header: () => '1.2.3.4' }), '127.0.0.1');
});
