import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startGateway } from './_util/gateway.ts';
import { OPENAI_ASK } from './_util/openai-ask.ts';
import { pythonEnv } from './_util/python-env.ts';
import type { Peer } from './peer.ts';

const VERSION = '1.102.4';
const MODEL = 'gpt-4o-mini';

/** Lists that it would download when it starts; with these it takes those that it was shipped with. */
const OFFLINE = {
  LITELLM_LOCAL_MODEL_COST_MAP: 'True',
  LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS: 'True',
  LITELLM_LOCAL_AUTOROUTER_PRESETS: 'True',
  LITELLM_LOCAL_BLOG_POSTS: 'True',
  LITELLM_LOCAL_POLICY_TEMPLATES: 'True',
};

/** LiteLLM's proxy as its pages advise for production, with one worker and no database. */
export const litellm: Peer = {
  name: `LiteLLM ${VERSION}`,
  upstream: 'openai',
  ask: OPENAI_ASK,
  mostRuns: 2,
  async start(upstreamOrigin, core) {
    const python = await pythonEnv(`litellm-${VERSION}`, [`litellm[proxy]==${VERSION}`]);
    return startGateway(core, (port, scratch) => {
      const config = join(scratch, 'config.yaml');
      writeFileSync(config, toConfig(upstreamOrigin));
      const program = join(dirname(python), 'litellm');
      const address = ['--host', '127.0.0.1', '--port', String(port)];
      const rest = ['--config', config, '--num_workers', '1', '--telemetry', 'False'];
      return {
        command: [python, program, ...address, ...rest],
        env: { ...OFFLINE, LITELLM_MODE: 'PRODUCTION', LITELLM_LOG: 'ERROR' },
      };
    });
  },
};

/** JSON is YAML. */
function toConfig(upstreamOrigin: string): string {
  const route = { model: `openai/${MODEL}`, api_base: `${upstreamOrigin}/v1`, api_key: 'bench' };
  return JSON.stringify({ model_list: [{ model_name: MODEL, litellm_params: route }] });
}
