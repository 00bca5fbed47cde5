import type { Base } from './callers.ts';
import { sendJson, type Handler } from './exchange.ts';
import { admit, passEdge, playError } from './gate.ts';
import type { Persona } from './scenario.ts';
import type { World } from './world.ts';

interface Model {
  readonly slug: string;
  readonly title: string;
  readonly maxTokens: number;
  readonly personas: readonly Persona[];
}

const EVERYBODY: readonly Persona[] = ['chatgpt-noauth', 'chatgpt-freeaccount', 'chatgpt-paid'];
const ACCOUNTS: readonly Persona[] = ['chatgpt-freeaccount', 'chatgpt-paid'];
const PAID: readonly Persona[] = ['chatgpt-paid'];

const MODELS: readonly Model[] = [
  { slug: 'text-davinci-002-render-sha', title: 'GPT-3.5', maxTokens: 8191, personas: EVERYBODY },
  { slug: 'auto', title: 'Auto', maxTokens: 8191, personas: EVERYBODY },
  { slug: 'gpt-4o-mini', title: 'GPT-4o mini', maxTokens: 8191, personas: EVERYBODY },
  { slug: 'gpt-4o', title: 'GPT-4o', maxTokens: 8192, personas: ACCOUNTS },
  { slug: 'gpt-4', title: 'GPT-4', maxTokens: 4095, personas: PAID },
  { slug: 'gpt-4-mobile', title: 'GPT-4 (mobile)', maxTokens: 8192, personas: PAID },
  { slug: 'gpt-4o-canmore', title: 'GPT-4o with canvas', maxTokens: 8192, personas: PAID },
  { slug: 'o1-preview', title: 'o1-preview', maxTokens: 32_768, personas: PAID },
  { slug: 'o1-mini', title: 'o1-mini', maxTokens: 32_768, personas: PAID },
  { slug: 'o1', title: 'o1', maxTokens: 32_768, personas: PAID },
  { slug: 'o3-mini', title: 'o3-mini', maxTokens: 32_768, personas: PAID },
];

const GIZMOS: readonly string[] = ['g-sandbox', 'g-sandbox-2'];

export function isKnownGizmo(id: string): boolean {
  return GIZMOS.includes(id);
}

export function isKnownModel(slug: string): boolean {
  return MODELS.some((model) => model.slug === slug);
}

/** The model that really answers: whoever may not use the one asked for gets a smaller one. */
export function toServedModel(slug: string, persona: Persona): string {
  const fallback = persona === 'chatgpt-noauth' ? 'gpt-4o-mini' : 'gpt-4o';
  if (slug === 'auto') return fallback;
  return MODELS.some((model) => model.slug === slug && model.personas.includes(persona)) ? slug : fallback;
}

/** `GET {base}/models`. */
export function createModelsHandler(world: World, base: Base): Handler {
  return async (exchange) => {
    const scenario = await passEdge(world, exchange, 'models');
    if (scenario === null) return;
    const caller = admit(world, exchange, base, false);
    const persona = scenario.persona ?? caller.persona;
    playError(world, scenario, 'models');
    sendJson(exchange.response, 200, {
      models: MODELS.filter((model) => model.personas.includes(persona)).map(toWire),
      categories: [],
      default_model_slug: toServedModel('auto', persona),
    });
  };
}

function toWire({ slug, title, maxTokens }: Model): object {
  return {
    slug,
    max_tokens: maxTokens,
    title,
    description: `${title}, as the sandbox plays it`,
    tags: [slug],
    capabilities: {},
    product_features: {
      attachments: {
        type: 'multimodal',
        accepted_mime_types: [],
        image_mime_types: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'],
        can_accept_all_mime_types: true,
      },
    },
    enabled_tools: ['tools'],
  };
}
