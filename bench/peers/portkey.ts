import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeUnderLoad } from '../_util/node-under-load.ts';
import { command } from './_util/command.ts';
import { startGateway } from './_util/gateway.ts';
import { cachedFolder } from './_util/cached-folder.ts';
import { OPENAI_ASK } from './_util/openai-ask.ts';
import type { Peer } from './peer.ts';

const GATEWAY = '@portkey-ai/gateway';
const VERSION = '1.15.2';
/**
 * The HTTP server is the version that its own lock file names. With later ones every chat ends in an error,
 * as it changes headers that they no longer copy (https://github.com/Portkey-AI/gateway/issues/1389).
 */
const MANIFEST = JSON.stringify({
  private: true,
  dependencies: { [GATEWAY]: VERSION },
  overrides: { '@hono/node-server': '1.13.5', hono: '4.13.19' },
});

/** Told with each chat where it goes, Portkey can be asked only once it is started. */
export function createPortkey(): Peer {
  let host: string | null = null;
  return {
    name: `Portkey ${VERSION}`,
    upstream: 'openai',
    get ask() {
      if (host === null) throw new Error('how Portkey is asked depends on its upstream: start it first');
      const headers = {
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': host,
        authorization: 'Bearer bench',
      };
      return { ...OPENAI_ASK, headers };
    },
    async start(upstreamOrigin, core) {
      host = `${upstreamOrigin}/v1`;
      const program = await install();
      return startGateway(core, (port) => ({
        command: [nodeUnderLoad.path, program, '--headless', `--port=${port}`],
        env: {
          NODE_ENV: 'production',
          // It refuses hosts within a network as upstreams, unless they are named here.
          TRUSTED_CUSTOM_HOSTS: new URL(upstreamOrigin).hostname,
        },
      }));
    },
  };
}

async function install(): Promise<string> {
  const folder = await cachedFolder(`portkey-${VERSION}`, [MANIFEST], async (prefix) => {
    await writeFile(join(prefix, 'package.json'), MANIFEST);
    const options = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    await command('npm', ['install', ...options, '--prefix', prefix]);
  });
  return join(folder, 'node_modules', GATEWAY, 'build', 'start-server.js');
}
